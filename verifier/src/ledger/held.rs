//! Payments for what somebody else serves: reserved when that seller's server verifies them, charged when it settles
//! them, released if it does not in time. A restart does not end them, because their seller may have served meanwhile.

use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::{Ledger, reservation_record};
use crate::ports::Moment;
use crate::record::{Record, Remembered, ReservationId};

/// For how long a reservation waits for its charge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) seconds: u32,
    /// When it is released.
    pub(super) until: Moment,
}

impl Ledger {
    /// Keeps a reservation for `seconds` from now, also over a restart. `None` if it has ended.
    pub fn hold(&mut self, id: ReservationId, seconds: u32, now: Moment) -> Option<Record> {
        let reservation = self.reservations.get_mut(&id)?;
        let until = now.after(Duration::from_secs(u64::from(seconds)));
        reservation.held = Some(Held { seconds, until });
        self.held.insert((until, id));
        Some(reservation_record(id, reservation))
    }

    /// The most that a held reservation may be charged. `None` if it has ended, or is not held.
    #[must_use]
    pub fn held_maximum(&self, id: ReservationId) -> Option<BaseUnits> {
        let reservation = self.reservations.get(&id)?;
        reservation.held.map(|_| reservation.maximum)
    }

    /// The reservations that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the held reservations whose time is over. Nothing is charged, and their vouchers stay used.
    pub fn release_expired(&mut self, now: Moment) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some((_, id)) = self
            .held
            .first()
            .copied()
            .filter(|(until, _)| *until <= now)
        {
            let released = self.complete(id, BaseUnits::ZERO, Remembered::default(), now);
            let Some(decision) = released else {
                // A reservation that ends is held no longer, so this does not happen.
                self.held.pop_first();
                continue;
            };
            records.extend(decision.records);
        }
        records
    }
}
