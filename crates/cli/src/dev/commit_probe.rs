//! This machine's group-commit time, as a request sees it: from handing records to the store's writer
//! until they are durable.
//!
//! A disk and a processor that were idle answer later than busy ones. So one commit is measured after
//! each pair of requests, and not many in a row.

use std::path::Path;
use std::time::{Duration, Instant};

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_verifier::record::{LaneKey, LaneRecord, Record};
use farthing_verifier::store::{RedbStore, Store, StoreError, Writer};

use super::DevError;

/// The lane whose records are written. It exists nowhere else.
const LANE: LaneKey = LaneKey {
    domain: Domain([7; 32]),
    lane: LaneIndex(0),
    generation: Generation(0),
};

/// A store of its own, beside the gateway's.
#[derive(Debug)]
pub struct CommitProbe {
    writer: Writer,
    round: u64,
}

impl CommitProbe {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// [`DevError::Probe`] if the folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self, DevError> {
        let mut store = RedbStore::open(&folder.join("commit-probe.redb"))?;
        store.load()?;
        let writer = Writer::start(Box::new(store)).map_err(StoreError::database)?;
        Ok(Self { writer, round: 0 })
    }

    /// Commits what one paid request writes first. `None` if the store failed.
    pub async fn measure(&mut self) -> Option<Duration> {
        self.round += 1;
        let value = BaseUnits(self.round);
        let lane = LaneRecord {
            authorized: value,
            signature: Some([7; 64]),
            charged: value,
            floor: BaseUnits::ZERO,
            settled: BaseUnits::ZERO,
        };
        let records = vec![Record::Lane(LANE, lane), Record::Used(LANE, value)];
        let started = Instant::now();
        self.writer.enqueue(records).durable().await.ok()?;
        Some(started.elapsed())
    }

    /// Closes the store.
    pub async fn close(self) {
        // Its thread ends with the last commit; a panic there has been logged.
        let _ = tokio::task::spawn_blocking(move || self.writer.close()).await;
    }
}
