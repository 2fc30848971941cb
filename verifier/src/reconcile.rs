//! Compares a store that may be an old copy with the chain: what the chain debited beyond the store, and which vouchers
//! were published by that. Pure.
//!
//! A lane whose on-chain counter is above what the store knows was used after the copy was made. Its charge is set to
//! the on-chain counter, and every voucher value up to the highest published one counts as used, because anyone who
//! reads the chain could send those vouchers again. Vouchers that were signed and never settled cannot be seen: their
//! signer can spend them once more, and what they were charged is lost.
//!
//! If the history that the node has does not explain the counter, a voucher may have been published that is not in that
//! history. Such a lane is held: it accepts nothing until its signer is rotated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use farthing_chain::Channel;
use farthing_chain::debits::Debit;
use farthing_protocol::layout::LaneState;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use farthing_wire::signature::SignerKey;
use solana_sdk::pubkey::Pubkey;

use crate::record::{ALL_USED, LaneKey, LaneRecord, Record, ReservationId, StoredState};

/// A lane that the chain debited beyond what the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneBehind {
    /// The lane.
    pub lane: LaneIndex,
    /// What the store knows to have been charged: the highest over all generations.
    pub charged: BaseUnits,
    /// What the chain debited.
    pub debited: BaseUnits,
}

/// The result for a lane that was behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// The lane before it was reconciled.
    pub behind: LaneBehind,
    /// Voucher values at or below this count as used; `None` if the lane is held.
    pub used_through: Option<BaseUnits>,
}

/// The content of a store, indexed by lane. It is built once, however many lanes are behind.
#[derive(Debug, Default)]
pub struct Known {
    channels: BTreeSet<Domain>,
    lanes: BTreeMap<LaneKey, LaneRecord>,
    used: BTreeSet<(LaneKey, BaseUnits)>,
    in_flight: BTreeMap<LaneKey, Vec<ReservationId>>,
}

/// The range of keys of all generations of a lane.
fn generations(domain: Domain, lane: LaneIndex) -> RangeInclusive<LaneKey> {
    let of = |generation| LaneKey {
        domain,
        lane,
        generation: Generation(generation),
    };
    of(0)..=of(u16::MAX)
}

impl Known {
    /// Indexes the content of a store.
    #[must_use]
    pub fn of(state: &StoredState) -> Self {
        let mut known = Self {
            channels: state
                .channels
                .iter()
                .map(|channel| channel.domain)
                .collect(),
            lanes: state.lanes.iter().copied().collect(),
            used: state.used.iter().copied().collect(),
            in_flight: BTreeMap::new(),
        };
        for (id, reservation) in &state.reservations {
            let of_lane = known.in_flight.entry(reservation.key).or_default();
            of_lane.push(*id);
        }
        known
    }

    /// The lanes of a channel that the chain debited beyond what the store knows.
    #[must_use]
    pub fn behind(&self, channel: &Channel) -> Vec<LaneBehind> {
        let lanes = channel.lanes.iter().zip(0_u16..).map(|(on_chain, index)| {
            let lane = LaneIndex(index);
            let of_lane = self.lanes.range(generations(channel.header.domain, lane));
            let charged = of_lane.map(|(_, record)| record.charged).max();
            LaneBehind {
                lane,
                charged: charged.unwrap_or_default(),
                debited: on_chain.debited,
            }
        });
        lanes.filter(|lane| lane.debited > lane.charged).collect()
    }

    /// Records that remove what is superfluous after a lane was set to the on-chain counter by `record`: used values
    /// that its charge or floor refuses, and requests in flight, whose charge is part of the counter or lost.
    fn superfluous(&self, key: LaneKey, record: &LaneRecord) -> Vec<Record> {
        let refused = record.charged.max(record.floor);
        let used = self.used.range((key, BaseUnits::ZERO)..=(key, refused));
        let used = used.map(|(key, value)| Record::Forgotten(*key, *value));
        let in_flight = self.in_flight.range(generations(key.domain, key.lane));
        let in_flight = in_flight.flat_map(|(_, ids)| ids);
        used.chain(in_flight.map(|id| Record::Completed(*id)))
            .collect()
    }
}

/// Whether the debits found so far lead from what the store knows up to the on-chain counter, so that no earlier
/// history need be read.
#[must_use]
pub fn is_explained(lane: &LaneBehind, debits: &[Debit]) -> bool {
    let mut of_lane = debits.iter().filter(|debit| debit.lane == lane.lane);
    let reaches_down = of_lane.clone().any(|debit| debit.debit_to <= lane.charged);
    reaches_down && of_lane.any(|debit| debit.debit_to == lane.debited)
}

/// The records that make a store agree with a channel on the chain, and the result for each lane that was behind.
/// `debits` is all that is known of the channel's history.
#[must_use]
pub fn reconcile(
    known: &Known,
    address: Pubkey,
    channel: &Channel,
    debits: &[Debit],
) -> (Vec<Record>, Vec<Reconciled>) {
    let behind = known.behind(channel);
    let domain = channel.header.domain;
    let mut records = Vec::new();
    if !behind.is_empty() && !known.channels.contains(&domain) {
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
        let before = known.lanes.get(&key).copied();
        let record = brought_up(before, on_chain, key, debits);
        records.push(Record::Lane(key, record));
        records.extend(known.superfluous(key, &record));
        reconciled.push(Reconciled {
            behind: lane,
            used_through: (record.floor != ALL_USED).then_some(record.floor.max(record.charged)),
        });
    }
    (records, reconciled)
}

/// The record of a lane set to the on-chain counter.
fn brought_up(
    before: Option<LaneRecord>,
    on_chain: &LaneState,
    key: LaneKey,
    debits: &[Debit],
) -> LaneRecord {
    let debited = on_chain.debited;
    let of_lane = debits.iter().filter(|debit| debit.lane == key.lane);
    let is_explained = of_lane.clone().any(|debit| debit.debit_to == debited);
    // Vouchers of earlier generations are refused anyway, so only those of the current signer count.
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
        // The same as for a lane that was never used in this generation.
        (_, None) => (BaseUnits::ZERO, None),
    };
    let published_through = highest.map_or(BaseUnits::ZERO, |voucher| voucher.authorized);
    let stored_floor = before.map_or(BaseUnits::ZERO, |record| record.floor);
    let floor = match (is_explained, authorized) {
        (false, _) => ALL_USED,
        // Nothing was published: values at or below the charge are refused anyway.
        (true, BaseUnits::ZERO) => BaseUnits::ZERO,
        (true, _) => published_through.max(stored_floor),
    };
    LaneRecord {
        authorized,
        signature,
        charged: debited,
        floor,
        settled: debited,
    }
}

#[cfg(test)]
mod tests;
