//! A store in memory for tests, which can be made to fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Store, StoreError, UnreadableRecord};
use crate::record::tables::Tables;
use crate::record::{Record, Remembered, ReservationId, StoredState};

/// A store in memory. Clones share their tables, as if the same file were opened again.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    pub(crate) fails: Arc<AtomicBool>,
    pub(crate) commits: Arc<AtomicUsize>,
}

impl Store for MemoryStore {
    fn read(&mut self, _: &mut UnreadableRecord<'_>) -> Result<StoredState, StoreError> {
        let tables = self.tables.lock().expect("tests do not poison");
        Ok(tables.state())
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::database("the test says so"));
        }
        let mut tables = self.tables.lock().expect("tests do not poison");
        tables.apply(records);
        Ok(())
    }

    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError> {
        let tables = self.tables.lock().expect("tests do not poison");
        Ok(tables.remembered(id))
    }
}
