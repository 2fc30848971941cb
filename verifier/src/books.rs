//! The ledger together with the writer that makes its decisions durable.
//!
//! Records are queued while the ledger is locked, so that their order is the order of the decisions.
//! The lock is held for microseconds and never across an `await`.

use std::sync::{Arc, Mutex, MutexGuard};

use farthing_protocol::BaseUnits;

use crate::crash_point::CrashPoint;
use crate::ledger::{
    ChannelFacts, LaneKey, LaneSnapshot, Ledger, Refusal, ReservationId, VerifiedVoucher,
};
use crate::ports::{Clock, Moment};
use crate::store::{Record, SettlementRecord, Store, StoreError, StoreFailed, Ticket, Writer};

/// Why the books could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no thread for the writer.
    #[error("the system has no thread for the store: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The ledger refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed or does not keep up.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// The books of all channels.
#[derive(Debug)]
pub struct Books {
    ledger: Mutex<Ledger>,
    writer: Writer,
    clock: Arc<dyn Clock>,
}

impl Books {
    /// Reads the store, charges what a crash left without an outcome, and opens the books. Returns
    /// the settlements without an outcome as well.
    ///
    /// # Errors
    /// [`OpenError`]; nothing may then be served.
    pub fn open(
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Vec<SettlementRecord>), OpenError> {
        let mut state = store.load()?;
        let settlements = std::mem::take(&mut state.settlements);
        let unfinished = state.reservations.len();
        let (ledger, records) = Ledger::restore(state, clock.now());
        CrashPoint::Restored.pass();
        if !records.is_empty() {
            store.commit(&records)?;
        }
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                "charged requests without an outcome their last checkpoint"
            );
        }
        let books = Self {
            ledger: Mutex::new(ledger),
            writer: Writer::start(store)?,
            clock,
        };
        Ok((Arc::new(books), settlements))
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger
            .lock()
            .expect("the ledger does not panic while it is locked")
    }

    /// Accepts a request of at most `maximum`. The service may begin at once; nothing of it may leave
    /// before the ticket says that the reservation is durable.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was changed.
    pub fn reserve(
        self: &Arc<Self>,
        facts: &Arc<ChannelFacts>,
        voucher: &VerifiedVoucher,
        maximum: BaseUnits,
    ) -> Result<(Reservation, Ticket), ReserveError> {
        if !self.writer.is_available() {
            return Err(StoreFailed.into());
        }
        let mut ledger = self.lock();
        let decision = ledger.accept(facts, voucher, maximum)?;
        let ticket = self.writer.enqueue(decision.records);
        drop(ledger);
        CrashPoint::Reserved.pass();
        let reservation = Reservation {
            books: Arc::clone(self),
            id: decision.reservation,
            accepted: decision.lane,
            if_dropped: BaseUnits::ZERO,
            ended: false,
        };
        Ok((reservation, ticket))
    }

    fn complete(&self, id: ReservationId, actual: BaseUnits) -> Option<(LaneSnapshot, Ticket)> {
        // A poisoned lock means that a panic is under way already.
        let mut ledger = self.ledger.lock().ok()?;
        let decision = ledger.complete(id, actual, self.clock.now())?;
        Some((decision.lane, self.writer.enqueue(decision.records)))
    }

    /// Figures of a lane, `None` if there is no such lane or generation.
    #[must_use]
    pub fn lane(&self, facts: &ChannelFacts, key: LaneKey) -> Option<LaneSnapshot> {
        self.lock().lane(facts, key)
    }

    /// Reads the ledger.
    pub fn read<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.lock())
    }

    /// Notes that a settlement planned at `planned_at` debited a lane for good.
    pub fn settled(&self, key: LaneKey, debit_to: BaseUnits, planned_at: Moment) {
        self.lock().settled(key, debit_to, planned_at);
    }

    /// Queues records that are no decision of the ledger.
    pub fn record(&self, records: Vec<Record>) -> Ticket {
        self.writer.enqueue(records)
    }

    /// Whether the store failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// Writes what is queued and closes the store; everything afterwards fails.
    pub fn close(&self) {
        self.writer.close();
    }
}

/// A request in flight. Dropped without an outcome it is charged what [`Self::if_dropped`] said last,
/// so that no reservation is ever left behind.
#[derive(Debug)]
pub struct Reservation {
    books: Arc<Books>,
    id: ReservationId,
    accepted: LaneSnapshot,
    if_dropped: BaseUnits,
    ended: bool,
}

impl Reservation {
    /// The lane when the request was accepted.
    #[must_use]
    pub fn accepted(&self) -> &LaneSnapshot {
        &self.accepted
    }

    /// What to charge if the client goes away now.
    pub fn if_dropped(&mut self, cost: BaseUnits) {
        self.if_dropped = cost;
    }

    /// Writes down what the request has cost so far: what it is charged after a crash.
    pub fn checkpoint(&mut self) -> Option<Ticket> {
        let mut ledger = self.books.lock();
        let record = ledger.checkpoint(self.id, self.if_dropped)?;
        Some(self.books.writer.enqueue(vec![record]))
    }

    /// Whether the store failed, so that nothing more may leave.
    #[must_use]
    pub fn store_has_failed(&self) -> bool {
        self.books.has_failed()
    }

    /// Charges `actual`, at most what was reserved. The receipt may leave once the ticket says so.
    ///
    /// # Errors
    /// [`StoreFailed`] if the ledger does not know the reservation, which cannot happen unless the
    /// process is failing.
    pub fn complete(mut self, actual: BaseUnits) -> Result<(LaneSnapshot, Ticket), StoreFailed> {
        self.ended = true;
        self.books.complete(self.id, actual).ok_or(StoreFailed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody waits for this charge; the queue's order makes it durable in its turn.
            let _ = self.books.complete(self.id, self.if_dropped);
        }
    }
}
