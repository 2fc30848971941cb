//! An in-flight request: however it ends, its reservation returns to the lane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_protocol::BaseUnits;
use farthing_wire::x402::{ReceiptExtra, VoucherStateInfo};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::budget::{Budget, BudgetReservation, BudgetSpent};
use crate::payer::{LanePayer, ReceiptError, Reservation, ResynchroniseError};

/// A lane, with a signal for every change that may make room for a waiting request.
#[derive(Debug)]
pub(super) struct Lane {
    payer: Mutex<LanePayer>,
    released: Notify,
}

impl Lane {
    pub(super) fn new(payer: LanePayer) -> Self {
        Self {
            payer: Mutex::new(payer),
            released: Notify::new(),
        }
    }

    /// Locks the lane, even if the lock is poisoned: a panic cannot leave the lane in a state that spends more, because
    /// reservations only add to what counts as spent.
    pub(super) fn lock(&self) -> MutexGuard<'_, LanePayer> {
        self.payer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that there may be room.
    pub(super) fn notify(&self) {
        self.released.notify_waiters();
    }

    /// Waits until a reservation ends. It must be polled before the lane is looked at, so that no end is missed.
    pub(super) fn released(&self) -> Notified<'_> {
        self.released.notified()
    }
}

/// The reservation of an in-flight request. If it is dropped without an outcome, the request counts as lost, because a
/// cancelled request may have been served.
#[derive(Debug)]
pub(super) struct InFlight {
    lane: Arc<Lane>,
    reservation: Option<Reservation>,
    budgets: Vec<BudgetReservation>,
    maximum: BaseUnits,
}

impl InFlight {
    /// Takes what the request may cost out of the budgets too. If one of them does not cover it, nothing is counted.
    pub(super) fn new(
        lane: Arc<Lane>,
        reservation: Reservation,
        budgets: &[Arc<Budget>],
    ) -> Result<Self, BudgetSpent> {
        let maximum = reservation.maximum();
        let mut in_flight = Self {
            maximum,
            lane,
            reservation: Some(reservation),
            budgets: Vec::new(),
        };
        for budget in budgets {
            match budget.reserve(maximum) {
                Ok(reserved) => in_flight.budgets.push(reserved),
                Err(spent) => {
                    in_flight.unsent();
                    return Err(spent);
                }
            }
        }
        // Unless the charge becomes known.
        in_flight.charged(maximum);
        Ok(in_flight)
    }

    fn unsent(mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.lane.lock().unsent(reservation);
        }
    }

    /// Tells the budgets what the request cost.
    fn charged(&mut self, charged: BaseUnits) {
        for budget in &mut self.budgets {
            budget.charged(charged);
        }
    }

    pub(super) const fn maximum(&self) -> BaseUnits {
        self.maximum
    }

    pub(super) fn settled(mut self, receipt: &ReceiptExtra) -> Result<(), ReceiptError> {
        let Some(reservation) = self.reservation.take() else {
            return Ok(());
        };
        let settled = self.lane.lock().settled(reservation, receipt);
        let beyond = settled?;
        // What nobody here has asked for counts too, so that a false receipt spends a budget as a true one does.
        self.charged(BaseUnits(receipt.charged.0.saturating_add(beyond.0)));
        Ok(())
    }

    pub(super) fn refused(mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.lane.lock().refused(reservation);
            self.charged(BaseUnits::ZERO);
        }
    }

    pub(super) fn refused_as_used(mut self, distance: u64) {
        if let Some(reservation) = self.reservation.take() {
            self.lane.lock().refused_as_used(reservation, distance);
            self.charged(BaseUnits::ZERO);
        }
    }

    pub(super) fn resynchronise(
        mut self,
        state: &VoucherStateInfo,
    ) -> Result<(), ResynchroniseError> {
        self.charged(BaseUnits::ZERO);
        match self.reservation.take() {
            Some(reservation) => self.lane.lock().resynchronise(reservation, state),
            None => Ok(()),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.lane.lock().lost(reservation);
        }
        self.lane.notify();
    }
}
