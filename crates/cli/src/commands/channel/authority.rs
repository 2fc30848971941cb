//! Checks that the signer may change a channel or lock funds for it.

use farthing_chain::{Escrow, approval_address};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;

use crate::commands::support::{self, Signers};
use crate::connection::Connection;
use crate::error::CliError;

/// Funds to be locked for a payee.
pub(super) struct Lock {
    pub(super) payee: Pubkey,
    pub(super) grace_seconds: u32,
    pub(super) amount: BaseUnits,
}

/// Checks that the signer may lock the funds and that there are enough. Returns the approval's address if the signer is
/// the manager, who needs one.
pub(super) async fn authorize(
    connection: &Connection,
    signers: &Signers,
    escrow_address: &Pubkey,
    escrow: &Escrow,
    lock: &Lock,
) -> Result<Option<Pubkey>, CliError> {
    require_authority(escrow, signers)?;
    let balance = support::balance(connection, &escrow.vault(escrow_address)).await?;
    require_free(escrow_address, escrow, balance, lock.amount)?;
    if signers.actor() == escrow.owner {
        return Ok(None);
    }
    if lock.amount > escrow.manager_allowance {
        return Err(CliError::failed(format!(
            "the manager may lock only {} USDC more, but {} is needed: ask the owner to raise the allowance",
            Usdc(escrow.manager_allowance),
            Usdc(lock.amount)
        )));
    }
    let (address, _) = approval_address(connection.program(), escrow_address, &lock.payee);
    let approval = connection
        .chain
        .approval(&address, CommitmentConfig::confirmed())
        .await?
        .ok_or_else(|| {
            CliError::failed(format!(
                "the owner has not approved payee {} for the manager: ask the owner to approve it, or sign with the \
                owner's key",
                lock.payee
            ))
        })?;
    if lock.grace_seconds > approval.max_grace_seconds {
        return Err(CliError::failed(format!(
            "the owner approved a grace of at most {} seconds for this payee: choose a shorter --grace",
            approval.max_grace_seconds
        )));
    }
    Ok(Some(address))
}

pub(super) fn require_authority(escrow: &Escrow, signers: &Signers) -> Result<(), CliError> {
    let actor = signers.actor();
    if actor == escrow.owner || Some(actor) == escrow.manager {
        return Ok(());
    }
    let manager = escrow
        .manager
        .map_or_else(String::new, |key| format!(" or its manager {key}"));
    Err(CliError::failed(format!(
        "only the escrow's owner {}{manager} may do this, but {actor} signs: give the right key file with --keypair",
        escrow.owner
    )))
}

pub(super) fn require_free(
    address: &Pubkey,
    escrow: &Escrow,
    balance: BaseUnits,
    amount: BaseUnits,
) -> Result<(), CliError> {
    let free = escrow.free(balance);
    if amount <= free {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the escrow has {} USDC free, the channel needs {}: send {} USDC to vault {}",
        Usdc(free),
        Usdc(amount),
        Usdc(amount.saturating_sub(free)),
        escrow.vault(address)
    )))
}
