//! How the chain is read, for whoever watches over it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farthing_chain::ChainError;

use super::{Channels, locked};

/// How the chain is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Channels that are followed.
    pub followed: usize,
    /// Channels with books that were not found yet since the start.
    pub unresolved: usize,
    /// Age of the oldest reading of a followed channel. It grows while the node does not answer, or stands still.
    pub reading_age: Option<Duration>,
    /// Readings that failed since the start.
    pub failed_readings: u64,
}

/// Readings that failed.
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
    /// How the chain is read, as of the last poll.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let oldest = *locked(&self.oldest_reading);
        Figures {
            followed: self.read_watched().len(),
            unresolved: locked(&self.unresolved).len(),
            reading_age: oldest.map(|oldest| self.clock.now().since(oldest)),
            failed_readings: self.failures.0.load(Ordering::Relaxed),
        }
    }

    /// Takes note of the oldest reading that is relied on.
    pub(super) fn note_oldest_reading(&self) {
        let watched = self.read_watched();
        let oldest = watched.values().map(|watched| watched.observed_at).min();
        drop(watched);
        *locked(&self.oldest_reading) = oldest;
    }
}
