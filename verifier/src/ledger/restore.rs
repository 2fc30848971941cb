//! Restoring the ledger from the store at a start.

use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::channel::ChannelLedger;
use super::lane::{LaneLedger, UsedValues};
use super::{Ledger, OpenReservation, OutcomeLimits, forgotten};
use crate::ports::Moment;
use crate::record::{Record, Remembered, StoredState};

impl Ledger {
    /// The ledger as it was when the last record was written. Reservations that are still open are charged their last
    /// checkpoint, unless they are held: those wait again for their whole time. The returned records make this durable
    /// and must be written before any others.
    #[must_use]
    pub fn restore(state: StoredState, limits: OutcomeLimits, now: Moment) -> (Self, Vec<Record>) {
        let mut ledger = Self {
            runs_since: now,
            ..Self::default()
        };
        ledger.outcomes.limits = limits;
        for (id, outcome) in state.outcomes {
            ledger.last_reservation = ledger.last_reservation.max(id.0);
            let ran = Duration::from_secs(outcome.ended_at);
            ledger.ran_before = ledger.ran_before.max(ran);
            ledger.outcomes.restore(id, outcome);
        }
        for channel in state.channels {
            let books = ChannelLedger::new(channel.address);
            ledger.channels.insert(channel.domain, books);
        }
        for (key, record) in state.lanes {
            let lane = LaneLedger {
                authorized: record.authorized,
                signature: record.signature,
                charged: record.charged,
                used: UsedValues::restored(record.floor),
                settled: record.settled,
                // Settlements that were not seen here show in the on-chain counter.
                unsettled_since: (record.charged > record.settled).then_some(now),
                ..LaneLedger::default()
            };
            if let Some(channel) = ledger.channels.get_mut(&key.domain) {
                channel
                    .lanes
                    .get_or_insert_with(key.lane, key.generation, || lane);
            }
        }
        let mut records = Vec::new();
        for (key, value) in state.used {
            if let Some(lane) = ledger.lane_mut(key) {
                records.extend(forgotten(key, lane.used.insert(value)));
            }
        }
        for (id, record) in &state.reservations {
            ledger.last_reservation = ledger.last_reservation.max(id.0);
            if let Some(lane) = ledger.lane_mut(record.key) {
                lane.reserved = BaseUnits(lane.reserved.0.saturating_add(record.maximum.0));
            }
            if let Some(channel) = ledger.channels.get_mut(&record.key.domain) {
                channel.reserve(record.maximum);
            }
            let reservation = OpenReservation {
                key: record.key,
                maximum: record.maximum,
                checkpoint: record.checkpoint,
                request: record.request,
                since: now,
                held: None,
            };
            if let Some(request) = &record.request {
                ledger.outcomes.begin(*id, request);
            }
            ledger.reservations.insert(*id, reservation);
        }
        ledger.counts = ledger.recount();
        for (id, record) in state.reservations {
            if let Some(seconds) = record.held_seconds {
                // The store has this record already.
                let _ = ledger.hold(id, seconds, now);
                continue;
            }
            let nothing = Remembered::default();
            if let Some(decision) = ledger.complete(id, record.checkpoint, nothing, now) {
                records.extend(decision.records);
            }
        }
        (ledger, records)
    }
}
