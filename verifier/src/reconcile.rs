//! A store that may be an old copy, compared with the chain: what the chain debited beyond it, and what
//! that makes public. Pure.
//!
//! A lane whose counter on the chain is above what the store knows was used after the copy was made. Its
//! books are set to the chain's counter, and every voucher value up to the highest one that was published
//! counts as used: whoever reads the chain can send those again. What was signed and never settled is
//! nowhere to be seen; its signer can spend it once more, and what it was charged is lost.
//!
//! Where the history that the node knows does not explain the counter, a voucher may be public that we do
//! not see. Such a lane is held: it accepts nothing until its signer is rotated.

use std::collections::BTreeSet;

use farthing_client::chain::Channel;
use farthing_client::chain::debits::Debit;
use farthing_client::signature::SignerKey;
use farthing_protocol::layout::LaneState;
use farthing_protocol::{BaseUnits, LaneIndex, Voucher};
use solana_sdk::pubkey::Pubkey;

use crate::ledger::{ALL_USED, LaneKey};
use crate::store::{LaneRecord, Record, StoredState};

/// A lane that the chain debited beyond what the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneBehind {
    /// The lane.
    pub lane: LaneIndex,
    /// What the store knows to have been charged, whatever the generation.
    pub charged: BaseUnits,
    /// What the chain debited.
    pub debited: BaseUnits,
}

/// What becomes of a lane that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// The lane as it was.
    pub behind: LaneBehind,
    /// Voucher values at or below count as used; `None` if the lane is held.
    pub used_through: Option<BaseUnits>,
}

/// The lanes of a channel that the chain debited beyond what the store knows.
#[must_use]
pub fn lanes_behind(state: &StoredState, channel: &Channel) -> Vec<LaneBehind> {
    let lanes = channel.lanes.iter().zip(0_u16..).map(|(on_chain, index)| {
        let lane = LaneIndex(index);
        let records = state.lanes.iter();
        let of_lane =
            records.filter(|(key, _)| key.domain == channel.header.domain && key.lane == lane);
        let charged = of_lane.map(|(_, record)| record.charged).max();
        LaneBehind {
            lane,
            charged: charged.unwrap_or_default(),
            debited: on_chain.debited,
        }
    });
    lanes.filter(|lane| lane.debited > lane.charged).collect()
}

/// Whether the debits found so far lead from what the store knows up to the chain's counter, so that
/// nothing earlier need be read.
#[must_use]
pub fn is_explained(lane: &LaneBehind, debits: &[Debit]) -> bool {
    let mut of_lane = debits.iter().filter(|debit| debit.lane == lane.lane);
    let reaches_down = of_lane.clone().any(|debit| debit.debit_to <= lane.charged);
    reaches_down && of_lane.any(|debit| debit.debit_to == lane.debited)
}

/// The records that make a store agree with a channel on the chain, and what becomes of each lane that is
/// behind. `debits` is all that is known of the channel's history.
#[must_use]
pub fn reconcile(
    state: &StoredState,
    address: Pubkey,
    channel: &Channel,
    debits: &[Debit],
) -> (Vec<Record>, Vec<Reconciled>) {
    let behind = lanes_behind(state, channel);
    let domain = channel.header.domain;
    let mut records = Vec::new();
    let is_known = state.channels.iter().any(|known| known.domain == domain);
    if !behind.is_empty() && !is_known {
        records.push(Record::Channel(domain, address));
    }
    let mut reconciled = Vec::new();
    for lane in behind {
        let Some(on_chain) = channel.lane(lane.lane) else {
            continue;
        };
        let key = LaneKey {
            domain,
            lane: lane.lane,
            generation: on_chain.generation,
        };
        let before = state.lanes.iter().find(|(known, _)| *known == key);
        let record = brought_up(before.map(|(_, record)| *record), on_chain, key, debits);
        records.push(Record::Lane(key, record));
        records.extend(superfluous(state, key, &record));
        reconciled.push(Reconciled {
            behind: lane,
            used_through: (record.floor != ALL_USED).then_some(record.floor.max(record.charged)),
        });
    }
    (records, reconciled)
}

/// A lane's books at the chain's counter.
fn brought_up(
    before: Option<LaneRecord>,
    on_chain: &LaneState,
    key: LaneKey,
    debits: &[Debit],
) -> LaneRecord {
    let debited = on_chain.debited;
    let of_lane = debits.iter().filter(|debit| debit.lane == key.lane);
    let is_explained = of_lane.clone().any(|debit| debit.debit_to == debited);
    // Vouchers of earlier generations buy nothing any longer.
    let signer = SignerKey::new(&on_chain.signer).ok();
    let published = of_lane.filter_map(|debit| debit.voucher).filter(|voucher| {
        let signed = Voucher {
            domain: key.domain,
            lane: key.lane,
            generation: key.generation,
            authorized: voucher.authorized,
        };
        let signature = <[u8; 64]>::from(voucher.signature);
        signer
            .as_ref()
            .is_some_and(|signer| signer.verifies(&signed.to_bytes(), &signature))
    });
    let highest = published.max_by_key(|voucher| voucher.authorized);
    let stored = before.filter(|record| record.authorized >= debited);
    let (authorized, signature) = match (highest, stored) {
        (Some(voucher), stored)
            if voucher.authorized >= debited
                && stored.is_none_or(|stored| stored.authorized < voucher.authorized) =>
        {
            (
                voucher.authorized,
                Some(<[u8; 64]>::from(voucher.signature)),
            )
        }
        (_, Some(stored)) => (stored.authorized, stored.signature),
        // As a lane that nobody has used in this generation.
        (_, None) => (BaseUnits::ZERO, None),
    };
    let published_through = highest.map_or(BaseUnits::ZERO, |voucher| voucher.authorized);
    let stored_floor = before.map_or(BaseUnits::ZERO, |record| record.floor);
    let floor = match (is_explained, authorized) {
        (false, _) => ALL_USED,
        // At or below the charge everything is refused anyway.
        (true, BaseUnits::ZERO) => BaseUnits::ZERO,
        (true, _) => published_through.max(stored_floor),
    };
    LaneRecord {
        authorized,
        signature,
        charged: debited,
        floor,
    }
}

/// Ends what a record brought up to the chain's counter makes superfluous: used values that it refuses, and
/// requests in flight, whose outcome is in the counter or lost.
fn superfluous(state: &StoredState, key: LaneKey, record: &LaneRecord) -> Vec<Record> {
    let refused = record.charged.max(record.floor);
    let used: BTreeSet<BaseUnits> = state
        .used
        .iter()
        .filter(|(known, value)| *known == key && *value <= refused)
        .map(|(_, value)| *value)
        .collect();
    let used = used.into_iter().map(|value| Record::Forgotten(key, value));
    let in_flight = state.reservations.iter().filter(|(_, reservation)| {
        reservation.key.domain == key.domain && reservation.key.lane == key.lane
    });
    used.chain(in_flight.map(|(id, _)| Record::Completed(*id)))
        .collect()
}

#[cfg(test)]
mod tests;
