//! A real store that fails when it is told to, and can be slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use farthing_verifier::record::{Record, Remembered, ReservationId, StoredState};
use farthing_verifier::store::{Store, StoreError, UnreadableRecord};

/// Tells a [`FragileStore`] what to do.
#[derive(Debug, Clone, Default)]
pub struct StoreSwitch {
    fails: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
    commits: Arc<AtomicU64>,
}

impl StoreSwitch {
    /// Every commit fails from now on.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }

    /// Every commit takes at least so long from now on.
    pub fn delay(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).expect("tests wait less than that");
        self.delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Commits so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

/// A store behind a switch.
#[derive(Debug)]
pub struct FragileStore {
    inner: Box<dyn Store>,
    switch: StoreSwitch,
}

impl FragileStore {
    /// Puts a switch before a store.
    #[must_use]
    pub fn new(inner: Box<dyn Store>, switch: StoreSwitch) -> Self {
        Self { inner, switch }
    }
}

impl Store for FragileStore {
    fn read(&mut self, unreadable: &mut UnreadableRecord<'_>) -> Result<StoredState, StoreError> {
        self.inner.read(unreadable)
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        std::thread::sleep(Duration::from_millis(
            self.switch.delay_ms.load(Ordering::SeqCst),
        ));
        if self.switch.fails.load(Ordering::SeqCst) {
            return Err(StoreError::database("the test says so"));
        }
        self.switch.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(records)
    }

    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError> {
        self.inner.remembered(id)
    }
}
