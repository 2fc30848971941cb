//! Results of `farthing escrow`. Amounts are base units in JSON.

use std::fmt;

use farthing_chain::{Escrow, UpgradeAuthority};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use serde::Serialize;
use solana_sdk::pubkey::Pubkey;

use crate::connection::Connection;
use crate::output::facts;

fn usdc(base_units: u64) -> String {
    format!("{} USDC", Usdc(BaseUnits(base_units)))
}

/// Result of `escrow create`.
#[derive(Debug, Serialize)]
pub struct Created {
    pub(super) escrow: String,
    pub(super) vault: String,
    pub(super) owner: String,
    pub(super) mint: String,
    pub(super) transaction: String,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = facts([
            ("escrow", self.escrow.clone()),
            ("vault", self.vault.clone()),
            ("owner", self.owner.clone()),
            ("transaction", self.transaction.clone()),
        ]);
        write!(
            f,
            "{rows}\n\nTo prepay, send USDC to the vault {}, or run\n  farthing escrow fund {} --amount 5 --keypair <FILE>",
            self.vault, self.escrow
        )
    }
}

/// Result of `escrow fund`.
#[derive(Debug, Serialize)]
pub struct Funded {
    pub(super) escrow: String,
    pub(super) vault: String,
    pub(super) amount: u64,
    pub(super) free: u64,
    pub(super) transaction: String,
}

impl fmt::Display for Funded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("sent", usdc(self.amount)),
            ("vault", self.vault.clone()),
            ("free now", usdc(self.free)),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

/// Result of `escrow fund --unsigned-for`.
#[derive(Debug, Serialize)]
pub struct Unsigned {
    pub(super) transaction_base64: String,
    pub(super) signer: String,
    pub(super) vault: String,
    pub(super) amount: u64,
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unsigned transfer of {} to the vault {}. Sign it with {} and send it within a minute:\n{}",
            usdc(self.amount),
            self.vault,
            self.signer,
            self.transaction_base64
        )
    }
}

/// Result of `escrow withdraw`.
#[derive(Debug, Serialize)]
pub struct Withdrawn {
    pub(super) escrow: String,
    pub(super) destination: String,
    pub(super) amount: u64,
    pub(super) free: u64,
    pub(super) transaction: String,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("withdrawn", usdc(self.amount)),
            ("to", self.destination.clone()),
            ("free now", usdc(self.free)),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

/// Result of `escrow close`.
#[derive(Debug, Serialize)]
pub struct Closed {
    pub(super) escrow: String,
    pub(super) returned: u64,
    pub(super) destination: Option<String>,
    pub(super) transaction: String,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let destination = self.destination.as_deref().unwrap_or("-");
        facts([
            ("closed", self.escrow.clone()),
            ("returned", usdc(self.returned)),
            ("to", destination.to_owned()),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

/// Result of `escrow status`.
#[derive(Debug, Serialize)]
pub struct Status {
    escrow: String,
    vault: String,
    owner: String,
    mint: String,
    token_program: String,
    escrow_id: u64,
    vault_balance: u64,
    allocated: u64,
    free: u64,
    open_channels: u32,
    manager: Option<String>,
    manager_allowance: u64,
    countersigner: Option<String>,
    network: String,
    program: String,
    /// Null if nobody can replace the program; "unknown" if the node does not return it.
    upgrade_authority: Option<String>,
}

impl Status {
    pub(super) fn new(
        connection: &Connection,
        address: &Pubkey,
        escrow: &Escrow,
        balance: BaseUnits,
        authority: UpgradeAuthority,
    ) -> Self {
        Self {
            escrow: address.to_string(),
            vault: escrow.vault(address).to_string(),
            owner: escrow.owner.to_string(),
            mint: escrow.mint.to_string(),
            token_program: escrow.token_program.to_string(),
            escrow_id: escrow.escrow_id,
            vault_balance: balance.0,
            allocated: escrow.allocated.0,
            free: escrow.free(balance).0,
            open_channels: escrow.open_channels,
            manager: escrow.manager.map(|key| key.to_string()),
            manager_allowance: escrow.manager_allowance.0,
            countersigner: escrow.countersigner.map(|key| key.to_string()),
            network: connection.network.clone(),
            program: connection.program().to_string(),
            upgrade_authority: match authority {
                UpgradeAuthority::Immutable => None,
                UpgradeAuthority::Key(key) => Some(key.to_string()),
                UpgradeAuthority::Unknown => Some("unknown".to_owned()),
            },
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manager = self.manager.as_ref().map_or_else(
            || "none".to_owned(),
            |key| format!("{key}, may lock {} more", usdc(self.manager_allowance)),
        );
        let upgrade = self.upgrade_authority.as_deref().unwrap_or("nobody");
        facts([
            ("escrow", self.escrow.clone()),
            ("owner", self.owner.clone()),
            ("vault", self.vault.clone()),
            ("in the vault", usdc(self.vault_balance)),
            ("locked", usdc(self.allocated)),
            ("free", usdc(self.free)),
            ("open channels", self.open_channels.to_string()),
            ("manager", manager),
            ("mint", self.mint.clone()),
            ("token program", self.token_program.clone()),
            ("network", self.network.clone()),
            ("program", self.program.clone()),
            ("upgradeable by", upgrade.to_owned()),
        ])
        .fmt(f)
    }
}
