//! Results of `farthing channel`. Amounts are base units in JSON.

use std::fmt;

use comfy_table::Table;
use farthing_chain::Channel;
use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::layout::LaneState;
use farthing_protocol::{BaseUnits, Domain};
use farthing_wire::amount::Usdc;
use serde::Serialize;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use super::grace::grace_left;
use super::lanes::PlannedLane;
use crate::connection::Connection;
use crate::output::{facts, table};

fn usdc(base_units: u64) -> String {
    format!("{} USDC", Usdc(BaseUnits(base_units)))
}

/// Formats a domain in base58, like a hash.
pub fn base58(domain: &Domain) -> String {
    Hash::new_from_array(domain.0).to_string()
}

/// One lane.
#[derive(Debug, Serialize)]
pub struct LaneRow {
    lane: usize,
    signer: String,
    cap: u64,
    debited: u64,
    generation: u16,
    revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<String>,
}

impl LaneRow {
    pub(super) fn planned((lane, planned): (usize, &PlannedLane)) -> Self {
        Self {
            lane,
            signer: planned.lane.signer.to_string(),
            cap: planned.lane.cap.0,
            debited: 0,
            generation: 0,
            revoked: false,
            key_file: planned
                .key_file
                .as_ref()
                .map(|path| path.display().to_string()),
        }
    }

    fn of_chain((lane, state): (usize, &LaneState)) -> Self {
        Self {
            lane,
            signer: Pubkey::from(state.signer).to_string(),
            cap: state.cap.0,
            debited: state.debited.0,
            generation: state.generation.0,
            revoked: state.is_revoked(),
            key_file: None,
        }
    }
}

/// Result of `channel open`.
#[derive(Debug, Serialize)]
pub struct Opened {
    pub(super) channel: String,
    pub(super) channel_id: u64,
    pub(super) escrow: String,
    pub(super) payee: String,
    pub(super) settler: String,
    pub(super) deposit: u64,
    pub(super) grace_seconds: u32,
    pub(super) opened_slot: u64,
    pub(super) domain: String,
    pub(super) lanes: Vec<LaneRow>,
    pub(super) payee_can_receive: bool,
    pub(super) transaction: String,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = facts([
            ("channel", self.channel.clone()),
            ("payee", self.payee.clone()),
            ("settler", self.settler.clone()),
            ("deposit", usdc(self.deposit)),
            ("grace", format!("{} s", self.grace_seconds)),
            ("domain", format!("{}, checked", self.domain)),
            ("transaction", self.transaction.clone()),
        ]);
        let lanes = table(
            &["lane", "cap", "key file or public key"],
            self.lanes.iter().map(|lane| {
                let key = lane.key_file.as_ref().unwrap_or(&lane.signer);
                vec![lane.lane.to_string(), usdc(lane.cap), key.clone()]
            }),
        );
        write!(f, "{rows}\n\n{lanes}")?;
        if !self.payee_can_receive {
            f.write_str(
                "\n\nnote: the payee has no token account yet; it cannot be paid until one is created",
            )?;
        }
        Ok(())
    }
}

/// Result of `channel fund`.
#[derive(Debug, Serialize)]
pub struct Funded {
    pub(super) channel: String,
    pub(super) amount: u64,
    pub(super) deposit: u64,
    pub(super) transaction: String,
}

impl fmt::Display for Funded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("locked", usdc(self.amount)),
            ("deposit now", usdc(self.deposit)),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

/// Result of `channel request-close`.
#[derive(Debug, Serialize)]
pub struct CloseRequested {
    pub(super) channel: String,
    pub(super) grace_seconds: u32,
    pub(super) transaction: String,
}

impl fmt::Display for CloseRequested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The provider has {} seconds to settle; after that anyone may run `farthing channel close \
            {}`.\ntransaction {}",
            self.grace_seconds, self.channel, self.transaction
        )
    }
}

/// Result of `channel close`.
#[derive(Debug, Serialize)]
pub struct Closed {
    pub(super) channel: String,
    /// Amount returned to the escrow.
    pub(super) returned: u64,
    /// Amount that the payee could not receive; the channel account remains until it is paid out.
    pub(super) unpaid: u64,
    pub(super) transaction: String,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = facts([
            ("returned to the escrow", usdc(self.returned)),
            ("transaction", self.transaction.clone()),
        ]);
        rows.fmt(f)?;
        if self.unpaid > 0 {
            write!(
                f,
                "\n\nnote: the payee cannot receive {} of its earnings, so the channel account stays: close the \
                 channel again once the payee's token account works",
                usdc(self.unpaid)
            )?;
        }
        Ok(())
    }
}

/// Result of `channel status`.
#[derive(Debug, Serialize)]
pub struct Status {
    channel: String,
    channel_id: u64,
    escrow: String,
    payee: String,
    settler: String,
    deposit: u64,
    debited: u64,
    unpaid: u64,
    grace_seconds: u32,
    closing: bool,
    /// Seconds of grace left, if a close was requested.
    grace_left_seconds: Option<u64>,
    /// Slots of grace left, if a close was requested.
    grace_left_slots: Option<u64>,
    opened_slot: u64,
    domain: String,
    /// Whether the domain is that of this channel on this cluster; if not, vouchers of the channel are worthless.
    domain_matches: bool,
    network: String,
    program: String,
    lanes: Vec<LaneRow>,
}

impl Status {
    pub(super) fn new(
        connection: &Connection,
        address: &Pubkey,
        channel: &Channel,
        now: ChainTime,
    ) -> Self {
        let header = &channel.header;
        let left = header.is_closing().then(|| {
            let left = grace_left(channel, now);
            debug_assert_eq!(
                left.seconds == 0 && left.slots == 0,
                grace_is_over(header.close_requested, header.grace_seconds, now)
            );
            left
        });
        Self {
            channel: address.to_string(),
            channel_id: header.channel_id,
            escrow: channel.escrow().to_string(),
            payee: channel.payee().to_string(),
            settler: channel.settler().to_string(),
            deposit: header.deposit.0,
            debited: header.debited.0,
            unpaid: header.unpaid.0,
            grace_seconds: header.grace_seconds,
            closing: header.is_closing(),
            grace_left_seconds: left.map(|left| left.seconds),
            grace_left_slots: left.map(|left| left.slots),
            opened_slot: header.opened_slot,
            domain: base58(&header.domain),
            domain_matches: channel.domain_is_of(
                connection.program(),
                &connection.genesis_hash,
                address,
            ),
            network: connection.network.clone(),
            program: connection.program().to_string(),
            lanes: channel
                .lanes
                .iter()
                .enumerate()
                .map(LaneRow::of_chain)
                .collect(),
        }
    }

    fn state(&self) -> String {
        match (self.grace_left_seconds, self.grace_left_slots) {
            (Some(0), Some(0)) => "closing, anyone may close it now".to_owned(),
            (Some(seconds), Some(slots)) => {
                format!("closing, {seconds} s and {slots} slots of grace left")
            }
            _ => "open".to_owned(),
        }
    }

    fn lane_table(&self) -> Table {
        table(
            &["lane", "debited", "cap", "generation", "public key"],
            self.lanes.iter().map(|lane| {
                let revoked = if lane.revoked { ", revoked" } else { "" };
                vec![
                    lane.lane.to_string(),
                    usdc(lane.debited),
                    usdc(lane.cap),
                    format!("{}{revoked}", lane.generation),
                    lane.signer.clone(),
                ]
            }),
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = if self.domain_matches {
            format!("{}, checked", self.domain)
        } else {
            format!(
                "{}, NOT this cluster's: do not pay through this channel",
                self.domain
            )
        };
        let rows = facts([
            ("channel", self.channel.clone()),
            ("state", self.state()),
            ("escrow", self.escrow.clone()),
            ("payee", self.payee.clone()),
            ("settler", self.settler.clone()),
            ("deposit", usdc(self.deposit)),
            ("debited", usdc(self.debited)),
            ("of which unpaid", usdc(self.unpaid)),
            ("grace", format!("{} s", self.grace_seconds)),
            ("domain", domain),
            ("network", self.network.clone()),
            ("program", self.program.clone()),
        ]);
        write!(f, "{rows}\n\n{}", self.lane_table())
    }
}
