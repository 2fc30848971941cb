//! Measures a restart: the time from the store's file to an open ledger.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use farthing_verifier::durable_ledger::DurableLedger;
use farthing_verifier::ledger::OutcomeLimits;
use farthing_verifier::ports::SystemClock;
use farthing_verifier::store::RedbStore;
use serde::{Deserialize, Serialize};

use super::population::Population;
use super::process;

/// Measurements of one restart.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Restart {
    /// Time to open the file, which verifies every page of it.
    pub(super) open_ms: f64,
    /// Time to read all records and open the ledger.
    pub(super) replay_ms: f64,
    /// Time to compute the unsettled amounts of all lanes, as the settler does in each poll.
    pub(super) unsettled_ms: f64,
    /// Peak memory of the process.
    pub(super) peak_bytes: u64,
    /// Resident memory of the process with an open ledger.
    pub(super) resident_bytes: u64,
}

impl Restart {
    /// Time from the file to an open ledger.
    pub(super) fn total_ms(&self) -> f64 {
        self.open_ms + self.replay_ms
    }
}

/// Measures one restart, in this process.
///
/// # Errors
/// If the store cannot be opened.
pub(super) fn measure(path: &Path, lanes: usize) -> io::Result<Restart> {
    let started = Instant::now();
    let store = RedbStore::open(path).map_err(io::Error::other)?;
    let opened = started.elapsed();
    let (ledger, _) = DurableLedger::open(
        Box::new(store),
        OutcomeLimits::default(),
        Arc::new(SystemClock::default()),
    )
    .map_err(io::Error::other)?;
    let total = started.elapsed();
    let memory = process::memory()?;

    let facts = Population::new(lanes).facts();
    let started = Instant::now();
    for facts in &facts {
        black_box(ledger.read(|ledger| ledger.unsettled(facts)));
    }
    let unsettled = started.elapsed();
    ledger.close();
    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1_000.0;
    Ok(Restart {
        open_ms: milliseconds(opened),
        replay_ms: milliseconds(total - opened),
        unsettled_ms: milliseconds(unsettled),
        peak_bytes: memory.peak,
        resident_bytes: memory.resident,
    })
}
