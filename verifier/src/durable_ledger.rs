//! The ledger together with the writer that makes its decisions durable.
//!
//! Records are queued while the ledger is locked, so that their order is the order of the decisions.
//! The lock is held for microseconds and never across an `await`.

mod held;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use farthing_protocol::{BaseUnits, Domain};
use tokio::sync::watch;

use crate::crash_point::CrashPoint;
use crate::ledger::{ChannelFacts, Earlier, Kept, Ledger, OutcomeLimits, Refusal, VerifiedVoucher};
use crate::ports::{Clock, Moment};
use crate::record::{
    LaneKey, LaneSnapshot, Record, Remembered, RequestKey, ReservationId, SettlementRecord,
};
use crate::store::{Activity, Store, StoreError, StoreFailed, Ticket, Writer};

pub use held::{ChargeError, Charged, Hold, HoldError};

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was made from an export, which may be old.
    #[error(
        "the store was made from an export, which may be old: run `farthing reconcile` before serving from it"
    )]
    Imported,
    /// The system cannot start the writer's thread.
    #[error("cannot start the store's writer thread: {0}")]
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

/// The state behind the ledger's lock.
#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    /// Requests in flight whose end is awaited. Dropping the sender signals the end.
    awaited: HashMap<ReservationId, watch::Sender<()>>,
}

/// The ledger of all channels, with its writer.
#[derive(Debug)]
pub struct DurableLedger {
    shared: Mutex<Shared>,
    writer: Writer,
    clock: Arc<dyn Clock>,
}

impl DurableLedger {
    /// Reads the store, charges the requests that a crash interrupted, and opens the ledger. Also returns the
    /// settlements whose outcome is not known yet.
    ///
    /// # Errors
    /// [`OpenError`]; nothing may then be served.
    pub fn open(
        mut store: Box<dyn Store>,
        limits: OutcomeLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Vec<SettlementRecord>), OpenError> {
        let mut state = store.load()?;
        if state.is_imported {
            return Err(OpenError::Imported);
        }
        let settlements = std::mem::take(&mut state.settlements);
        let reservations = state.reservations.iter();
        let unfinished = reservations
            .filter(|(_, reservation)| reservation.held_seconds.is_none())
            .count();
        let (ledger, records) = Ledger::restore(state, limits, clock.now());
        CrashPoint::Restored.pass();
        if !records.is_empty() {
            store.commit(&records)?;
        }
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                "charged the unfinished requests of the last run their last checkpoint"
            );
        }
        let durable_ledger = Self {
            shared: Mutex::new(Shared {
                ledger,
                awaited: HashMap::new(),
            }),
            writer: Writer::start(store)?,
            clock,
        };
        Ok((Arc::new(durable_ledger), settlements))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared
            .lock()
            .expect("the ledger does not panic while it is locked")
    }

    /// Accepts a request that costs at most `maximum`, or returns the earlier request with the same idempotency key.
    /// Serving may begin at once, but no byte of the answer may leave before the ticket says that the reservation is
    /// durable.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was changed.
    pub fn reserve(
        self: &Arc<Self>,
        facts: &Arc<ChannelFacts>,
        voucher: &VerifiedVoucher,
        maximum: BaseUnits,
        request: Option<RequestKey>,
    ) -> Result<Result<(Reservation, Ticket), Earlier>, ReserveError> {
        self.require_writer()?;
        let mut shared = self.lock();
        if let Some(request) = &request
            && let Some(earlier) = shared.ledger.earlier(request)?
        {
            return Ok(Err(earlier));
        }
        let now = self.clock.now();
        let ledger = &mut shared.ledger;
        let decision = ledger.accept(facts, voucher, maximum, request, now)?;
        let ticket = self.writer.enqueue(decision.records);
        drop(shared);
        CrashPoint::Reserved.pass();
        let reservation = Reservation {
            durable_ledger: Arc::clone(self),
            id: decision.reservation,
            accepted: decision.lane,
            has_key: request.is_some(),
            if_dropped: BaseUnits::ZERO,
            ended: false,
        };
        Ok(Ok((reservation, ticket)))
    }

    fn require_writer(&self) -> Result<(), StoreFailed> {
        if self.writer.is_available() {
            Ok(())
        } else {
            Err(StoreFailed)
        }
    }

    /// The earlier request with the same idempotency key, if there is one. Needed for a lane that accepts nothing new;
    /// otherwise [`Self::reserve`] looks for it.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] if the earlier request was a different one.
    pub fn earlier(&self, request: &RequestKey) -> Result<Option<Earlier>, Refusal> {
        self.lock().ledger.earlier(request)
    }

    /// Waits until a request is no longer in flight.
    pub async fn ended(&self, id: ReservationId) {
        let mut end = {
            let mut shared = self.lock();
            if !shared.ledger.is_in_flight(id) {
                return;
            }
            let sender = shared.awaited.entry(id);
            let sender = sender.or_insert_with(|| watch::channel(()).0);
            sender.subscribe()
        };
        // Nothing is ever sent: `changed` fails when the request ends, because the sender is dropped.
        while end.changed().await.is_ok() {}
    }

    /// Reads the stored answer and receipt of an outcome. The outcome is durable when this returns.
    ///
    /// # Errors
    /// [`StoreFailed`] if the store failed.
    pub async fn remembered(&self, id: ReservationId) -> Result<Remembered, StoreFailed> {
        self.writer.remembered(id).await
    }

    fn complete(
        &self,
        id: ReservationId,
        actual: BaseUnits,
        remembered: Remembered,
    ) -> Option<(LaneSnapshot, Ticket)> {
        // A poisoned lock means that a panic is under way already.
        let mut shared = self.shared.lock().ok()?;
        let now = self.clock.now();
        let decision = shared.ledger.complete(id, actual, remembered, now)?;
        let ticket = self.writer.enqueue(decision.records);
        // Dropping the sender wakes the tasks that wait for the end of this request.
        shared.awaited.remove(&id);
        Some((decision.lane, ticket))
    }

    /// Figures of a lane, `None` if there is no such lane or generation.
    #[must_use]
    pub fn lane(&self, facts: &ChannelFacts, key: LaneKey) -> Option<LaneSnapshot> {
        self.lock().ledger.lane(facts, key)
    }

    /// Reads the ledger.
    pub fn read<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.lock().ledger)
    }

    /// Notes that a settlement planned at `planned_at` is final.
    pub fn settled(&self, key: LaneKey, debit_to: BaseUnits, planned_at: Moment) {
        let mut shared = self.lock();
        if let Some(record) = shared.ledger.settled(key, debit_to, planned_at) {
            // Not waited for: if the record is lost, the on-chain counter still has it.
            drop(self.writer.enqueue(vec![record]));
        }
    }

    /// Removes a channel that is gone, see [`Ledger::forget`].
    ///
    /// # Errors
    /// [`Kept`] says why nothing was changed.
    pub fn forget(
        &self,
        domain: Domain,
        seen: Option<&ChannelFacts>,
        min_claim: BaseUnits,
    ) -> Result<(), Kept> {
        let mut shared = self.lock();
        for records in shared.ledger.forget(domain, seen, min_claim)? {
            // Not waited for: if a crash loses the records, the channel is removed again later.
            drop(self.writer.enqueue(records));
        }
        Ok(())
    }

    /// Queues records that are not decisions of the ledger.
    pub fn record(&self, records: Vec<Record>) -> Ticket {
        self.writer.enqueue(records)
    }

    /// Whether the store failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// The activity of the store's writer.
    pub(crate) fn store_activity(&self) -> &Activity {
        self.writer.activity()
    }

    /// Writes what is queued and closes the store. Every later use fails.
    pub fn close(&self) {
        self.writer.close();
    }
}

/// A request in flight. If it is dropped without [`Self::complete`], it is charged the cost last given to
/// [`Self::if_dropped`], so that no reservation is ever left behind.
#[derive(Debug)]
pub struct Reservation {
    durable_ledger: Arc<DurableLedger>,
    id: ReservationId,
    accepted: LaneSnapshot,
    has_key: bool,
    if_dropped: BaseUnits,
    ended: bool,
}

impl Reservation {
    /// The lane's figures when the request was accepted.
    #[must_use]
    pub fn accepted(&self) -> &LaneSnapshot {
        &self.accepted
    }

    /// Whether the request has an idempotency key, so that a retry may need its answer.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// Sets what to charge if the client disconnects now.
    pub fn if_dropped(&mut self, cost: BaseUnits) {
        self.if_dropped = cost;
    }

    /// Queues a checkpoint with what the request has cost so far, which is what it is charged after a crash. `None` if
    /// the reservation has ended.
    pub fn checkpoint(&mut self) -> Option<Ticket> {
        let mut shared = self.durable_ledger.lock();
        let record = shared.ledger.checkpoint(self.id, self.if_dropped)?;
        Some(self.durable_ledger.writer.enqueue(vec![record]))
    }

    /// Whether the store failed, so that nothing more may be sent to the client.
    #[must_use]
    pub fn store_has_failed(&self) -> bool {
        self.durable_ledger.has_failed()
    }

    /// Charges `actual`, at most what was reserved, and stores the answer and the receipt of a request with an
    /// idempotency key. The receipt may be sent once the ticket says that the charge is durable.
    ///
    /// # Errors
    /// [`StoreFailed`] if the ledger does not know the reservation, which cannot happen unless the
    /// process is failing.
    pub fn complete(
        mut self,
        actual: BaseUnits,
        remembered: Remembered,
    ) -> Result<(LaneSnapshot, Ticket), StoreFailed> {
        self.ended = true;
        let completed = self.durable_ledger.complete(self.id, actual, remembered);
        completed.ok_or(StoreFailed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody waits for this charge; it becomes durable in the order of the queue.
            let nothing = Remembered::default();
            let _ = self
                .durable_ledger
                .complete(self.id, self.if_dropped, nothing);
        }
    }
}
