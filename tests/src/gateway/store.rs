//! A real store that can be made to fail or to be slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use farthing_verifier::record::{Record, Remembered, ReservationId, StoredState};
use farthing_verifier::store::{Store, StoreError, UnreadableRecord};

/// Switch that controls a [`FragileStore`].
#[derive(Debug, Clone, Default)]
pub struct StoreSwitch {
    fails: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
    commits: Arc<AtomicU64>,
}

impl StoreSwitch {
    /// Makes every commit fail from now on.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }

    /// Makes every commit take at least this long from now on.
    pub fn delay(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).expect("tests wait less than that");
        self.delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Number of commits so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

/// A store whose commits are controlled by a [`StoreSwitch`].
#[derive(Debug)]
pub struct FragileStore {
    inner: Box<dyn Store>,
    switch: StoreSwitch,
}

impl FragileStore {
    /// Wraps a store, and returns it with its switch.
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
