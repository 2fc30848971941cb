//! Figures about the readings of the chain, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farthing_chain::ChainError;

use super::{Channels, locked};

/// Figures about the readings of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFigures {
    /// Number of followed channels.
    pub followed: usize,
    /// Number of channels in the ledger that have not been read since the start.
    pub unresolved: usize,
    /// Age of the oldest reading of a followed channel. It grows while the node does not answer or its slot does not
    /// advance.
    pub reading_age: Option<Duration>,
    /// Readings that failed since the start.
    pub failed_readings: u64,
}

/// Number of failed readings.
#[derive(Debug, Default)]
pub(super) struct Failures(AtomicU64);

impl Failures {
    /// Counts a failure and passes it on.
    pub(super) fn count(&self, error: ChainError) -> ChainError {
        self.0.fetch_add(1, Ordering::Relaxed);
        error
    }
}

impl Channels {
    /// Figures about the readings of the chain, as of the last poll.
    #[must_use]
    pub fn figures(&self) -> ChainFigures {
        let oldest = *locked(&self.oldest_reading);
        ChainFigures {
            followed: self.read_watched().len(),
            unresolved: locked(&self.unresolved).len(),
            reading_age: oldest.map(|oldest| self.clock.now().since(oldest)),
            failed_readings: self.failures.0.load(Ordering::Relaxed),
        }
    }

    /// Stores the time of the oldest reading that is in use.
    pub(super) fn note_oldest_reading(&self) {
        let watched = self.read_watched();
        let oldest = watched.values().map(|watched| watched.observed_at).min();
        drop(watched);
        *locked(&self.oldest_reading) = oldest;
    }
}
