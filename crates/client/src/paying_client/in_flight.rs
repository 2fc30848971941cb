//! An in-flight request: however it ends, its reservation returns to the lane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_protocol::BaseUnits;
use farthing_wire::x402::{ReceiptExtra, VoucherStateInfo};

use crate::payer::{LanePayer, ReceiptError, Reservation, ResynchroniseError};

/// The reservation of an in-flight request. If it is dropped without an outcome, the request counts as lost, because a
/// cancelled request may have been served.
#[derive(Debug)]
pub(super) struct InFlight {
    lane: Arc<Mutex<LanePayer>>,
    reservation: Option<Reservation>,
    maximum: BaseUnits,
}

impl InFlight {
    pub(super) fn new(lane: Arc<Mutex<LanePayer>>, reservation: Reservation) -> Self {
        Self {
            maximum: reservation.maximum(),
            lane,
            reservation: Some(reservation),
        }
    }

    pub(super) const fn maximum(&self) -> BaseUnits {
        self.maximum
    }

    pub(super) fn settled(mut self, receipt: &ReceiptExtra) -> Result<(), ReceiptError> {
        match self.reservation.take() {
            Some(reservation) => lock(&self.lane).settled(reservation, receipt),
            None => Ok(()),
        }
    }

    pub(super) fn refused(mut self) {
        if let Some(reservation) = self.reservation.take() {
            lock(&self.lane).refused(reservation);
        }
    }

    pub(super) fn refused_as_used(mut self, distance: u64) {
        if let Some(reservation) = self.reservation.take() {
            lock(&self.lane).refused_as_used(reservation, distance);
        }
    }

    pub(super) fn resynchronise(
        mut self,
        state: &VoucherStateInfo,
    ) -> Result<(), ResynchroniseError> {
        match self.reservation.take() {
            Some(reservation) => lock(&self.lane).resynchronise(reservation, state),
            None => Ok(()),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            lock(&self.lane).lost(reservation);
        }
    }
}

/// Locks a lane, even if the lock is poisoned: a panic cannot leave the lane in a state that spends more, because
/// reservations only add to what counts as spent.
pub(super) fn lock(lane: &Mutex<LanePayer>) -> MutexGuard<'_, LanePayer> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}
