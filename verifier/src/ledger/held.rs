//! Held reservations: payments for requests that another seller's server serves. They are reserved when that server
//! verifies the payment, charged when it settles it, and released at a timeout. A restart does not end them, because
//! the server may have served the request meanwhile.

use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::{Ledger, reservation_record};
use crate::ports::Moment;
use crate::record::{Record, Remembered, ReservationId};

/// For how long a held reservation waits for its charge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) seconds: u32,
    /// When the reservation is released.
    pub(super) until: Moment,
}

impl Ledger {
    /// Holds a reservation for `seconds` from now; a restart starts that time anew. `None` if it has ended.
    pub fn hold(&mut self, id: ReservationId, seconds: u32, now: Moment) -> Option<Record> {
        let reservation = self.reservations.get_mut(&id)?;
        let until = now.after(Duration::from_secs(u64::from(seconds)));
        reservation.held = Some(Held { seconds, until });
        self.held.insert((until, id));
        Some(reservation_record(id, reservation))
    }

    /// The most that a held reservation may be charged. `None` if the reservation has ended, or is not held.
    #[must_use]
    pub fn held_maximum(&self, id: ReservationId) -> Option<BaseUnits> {
        let reservation = self.reservations.get(&id)?;
        reservation.held.map(|_| reservation.maximum)
    }

    /// How many reservations are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the held reservations that have timed out. Nothing is charged, and their vouchers stay used.
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
                // Cannot happen: completing a reservation also removes it from `held`.
                self.held.pop_first();
                continue;
            };
            records.extend(decision.records);
        }
        records
    }
}
