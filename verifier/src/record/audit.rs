//! Checks whether a state is one that a ledger could have written.
//!
//! The rules are those that every accepted request and every charge keeps; a record that breaks one was written by a
//! defect, or by another program. What must not live here: the comparison with the chain, which only a running verifier
//! makes.

mod finding;
use std::collections::{BTreeMap, BTreeSet};

use farthing_protocol::{BaseUnits, Domain};
use solana_sdk::pubkey::Pubkey;

use super::{ALL_USED, LaneKey, LaneRecord, MAX_USED_VALUES, SettlementRecord, StoredState};

pub use finding::{AuditedLane, Finding};

/// The inconsistencies of a state, none of which a ledger writes, in the order of the records.
#[must_use]
pub fn inconsistencies(state: &StoredState) -> Vec<Finding> {
    let channels: BTreeMap<Domain, Pubkey> = state
        .channels
        .iter()
        .map(|channel| (channel.domain, channel.address))
        .collect();
    let lanes: BTreeMap<LaneKey, LaneRecord> = state.lanes.iter().copied().collect();
    let mut findings = Vec::new();
    let mut reserved = BTreeMap::<LaneKey, BaseUnits>::new();
    for (_, reservation) in &state.reservations {
        let sum = reserved.entry(reservation.key).or_default();
        *sum = BaseUnits(sum.0.saturating_add(reservation.maximum.0));
    }
    let mut used = BTreeMap::<LaneKey, usize>::new();
    for (key, _) in &state.used {
        *used.entry(*key).or_default() += 1;
    }
    for (key, lane) in &state.lanes {
        if !channels.contains_key(&key.domain) {
            findings.push(Finding::LaneWithoutChannel(AuditedLane(*key)));
        }
        let reserved = reserved.get(key).copied().unwrap_or_default();
        let used = used.get(key).copied().unwrap_or_default();
        findings.extend(of_lane(AuditedLane(*key), lane, reserved, used));
    }
    findings.extend(of_used(state, &lanes));
    findings.extend(of_reservations(state, &lanes));
    for settlement in &state.settlements {
        findings.extend(of_settlement(settlement, &channels, &lanes));
    }
    findings.extend(of_outcomes(state, &lanes));
    findings
}

fn of_outcomes(state: &StoredState, lanes: &BTreeMap<LaneKey, LaneRecord>) -> Vec<Finding> {
    let in_flight = state.reservations.iter();
    let mut keys: BTreeSet<[u8; 32]> = in_flight
        .filter_map(|(_, reservation)| reservation.request)
        .map(|request| request.key)
        .collect();
    let mut findings = Vec::new();
    for (id, outcome) in &state.outcomes {
        // An outcome outlives its lane if the channel is gone.
        let lane = lanes.get(&outcome.lane);
        let charged = lane.map_or(outcome.charged_total, |lane| lane.charged);
        let is_within = outcome.charged > BaseUnits::ZERO
            && outcome.charged <= outcome.charged_total
            && outcome.charged_total <= charged;
        if !is_within {
            findings.push(Finding::OutcomeNotCharged {
                id: *id,
                lane: AuditedLane(outcome.lane),
                outcome: outcome.charged,
                total: outcome.charged_total,
                charged,
            });
        }
        if !keys.insert(outcome.request.key) {
            findings.push(Finding::KeyTwice { id: *id });
        }
    }
    findings
}

fn of_lane(
    lane: AuditedLane,
    record: &LaneRecord,
    reserved: BaseUnits,
    used: usize,
) -> Vec<Finding> {
    let LaneRecord {
        authorized,
        signature,
        charged,
        floor,
        settled,
    } = *record;
    let mut findings = Vec::new();
    // A generation that was never used starts charged at the on-chain counter, with nothing authorized.
    let is_unused = authorized == BaseUnits::ZERO && signature.is_none();
    if charged > authorized && !is_unused {
        findings.push(Finding::ChargedAboveAuthorized {
            lane,
            charged,
            authorized,
        });
    } else if reserved > authorized.saturating_sub(charged) {
        findings.push(Finding::ReservedAboveAuthorized {
            lane,
            charged,
            reserved,
            authorized,
        });
    }
    if authorized.saturating_sub(charged).0 > u64::from(u32::MAX) {
        findings.push(Finding::CeilingTooFarAhead(lane));
    }
    if authorized > BaseUnits::ZERO && signature.is_none() {
        findings.push(Finding::Unsigned(lane));
    }
    if floor > authorized && floor != ALL_USED {
        findings.push(Finding::FloorAboveAuthorized {
            lane,
            floor,
            authorized,
        });
    }
    if settled > charged {
        findings.push(Finding::SettledAboveCharged {
            lane,
            settled,
            charged,
        });
    }
    if used > MAX_USED_VALUES {
        findings.push(Finding::TooManyUsedValues { lane, count: used });
    }
    findings
}

fn of_used(state: &StoredState, lanes: &BTreeMap<LaneKey, LaneRecord>) -> Vec<Finding> {
    let findings = state.used.iter().filter_map(|(key, value)| {
        let (lane, value) = (AuditedLane(*key), *value);
        let Some(record) = lanes.get(key) else {
            return Some(Finding::UsedWithoutLane { lane, value });
        };
        let above = record.floor.max(record.charged);
        let authorized = record.authorized;
        let in_range = above < value && value <= authorized;
        (!in_range).then_some(Finding::UsedOutOfRange {
            lane,
            value,
            above,
            authorized,
        })
    });
    findings.collect()
}

fn of_reservations(state: &StoredState, lanes: &BTreeMap<LaneKey, LaneRecord>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, reservation) in &state.reservations {
        let id = *id;
        if !lanes.contains_key(&reservation.key) {
            let lane = AuditedLane(reservation.key);
            findings.push(Finding::ReservationWithoutLane { id, lane });
        }
        if reservation.checkpoint > reservation.maximum {
            findings.push(Finding::CheckpointAboveMaximum {
                id,
                checkpoint: reservation.checkpoint,
                maximum: reservation.maximum,
            });
        }
    }
    findings
}

fn of_settlement(
    settlement: &SettlementRecord,
    channels: &BTreeMap<Domain, Pubkey>,
    lanes: &BTreeMap<LaneKey, LaneRecord>,
) -> Vec<Finding> {
    let signature = settlement.signature;
    let mut findings = Vec::new();
    if channels.get(&settlement.domain) != Some(&settlement.channel) {
        findings.push(Finding::SettlementWithoutChannel(signature));
    }
    // A transaction begins with the number of its signatures, which is one, and the signature.
    let signed = settlement.transaction.strip_prefix(&[1]);
    if !signed.is_some_and(|rest| rest.starts_with(signature.as_ref())) {
        findings.push(Finding::SettlementOfAnotherTransaction(signature));
    }
    for claim in &settlement.claims {
        let key = LaneKey {
            domain: settlement.domain,
            lane: claim.lane,
            generation: claim.generation,
        };
        let charged = lanes.get(&key).map_or(BaseUnits::ZERO, |lane| lane.charged);
        if claim.debit_to > charged {
            findings.push(Finding::ClaimedAboveCharged {
                settlement: signature,
                lane: AuditedLane(key),
                debit_to: claim.debit_to,
                charged,
            });
        }
    }
    findings
}
