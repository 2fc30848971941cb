//! Measures the group-commit time of this machine as a request experiences it: from passing records to the store's
//! writer until they are durable.
//!
//! An idle disk or processor responds more slowly than a busy one. Therefore one commit is measured after each pair of
//! requests, instead of many in a row.

use std::path::Path;
use std::time::{Duration, Instant};

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_verifier::record::{LaneKey, LaneRecord, Record};
use farthing_verifier::store::{RedbStore, Store, StoreError, Writer};

use super::DevError;

/// A made-up lane whose records are written.
const LANE: LaneKey = LaneKey {
    domain: Domain([7; 32]),
    lane: LaneIndex(0),
    generation: Generation(0),
};

/// A separate store for measuring commits, next to the gateway's.
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

    /// Commits the records that a paid request writes first, and returns how long that took; `None` if the store
    /// failed.
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
        // The writer's thread ends after the last commit. A panic in it has already been logged.
        let _ = tokio::task::spawn_blocking(move || self.writer.close()).await;
    }
}
