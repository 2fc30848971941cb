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

/// What a store knows, lane by lane: read once, however many lanes are behind.
#[derive(Debug, Default)]
pub struct Known {
    channels: BTreeSet<Domain>,
    lanes: BTreeMap<LaneKey, LaneRecord>,
    used: BTreeSet<(LaneKey, BaseUnits)>,
    in_flight: BTreeMap<LaneKey, Vec<ReservationId>>,
}

/// The generations of a lane.
fn generations(domain: Domain, lane: LaneIndex) -> RangeInclusive<LaneKey> {
    let of = |generation| LaneKey {
        domain,
        lane,
        generation: Generation(generation),
    };
    of(0)..=of(u16::MAX)
}

impl Known {
    /// What is in a store.
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

    /// Ends what a record brought up to the chain's counter makes superfluous: used values that it refuses,
    /// and requests in flight, whose outcome is in the counter or lost.
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
        settled: debited,
    }
}

#[cfg(test)]
mod tests;
