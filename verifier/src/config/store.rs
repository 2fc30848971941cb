//! `[store]`: where the ledger is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use crate::ledger::OutcomeLimits;

/// Where the ledger is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The database file; created if missing. Its loss makes settled lanes unservable, because
    /// their used vouchers are public on the chain.
    pub path: PathBuf,
    /// How often a stream writes down what it has cost so far.
    #[serde(default = "default_checkpoint_interval_ms")]
    pub checkpoint_interval_ms: u64,
    /// How long a request with an idempotency key is remembered. The time in which no verifier runs
    /// does not count.
    #[serde(default = "default_outcome_seconds")]
    pub outcome_seconds: u64,
    /// The most requests with an idempotency key that are remembered, about 250 bytes of memory each.
    #[serde(default = "default_max_outcomes")]
    pub max_outcomes: usize,
    /// Longest answer that is kept for whoever asks again, in bytes; of a longer one only the receipt.
    #[serde(default = "default_max_stored_answer_bytes")]
    pub max_stored_answer_bytes: usize,
    /// The most bytes of one lane's answers that are kept.
    #[serde(default = "default_max_lane_answer_bytes")]
    pub max_lane_answer_bytes: u64,
    /// The most bytes of all answers that are kept.
    #[serde(default = "default_max_total_answer_bytes")]
    pub max_total_answer_bytes: u64,
}

impl StoreConfig {
    /// The defaults with a database at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            checkpoint_interval_ms: default_checkpoint_interval_ms(),
            outcome_seconds: default_outcome_seconds(),
            max_outcomes: default_max_outcomes(),
            max_stored_answer_bytes: default_max_stored_answer_bytes(),
            max_lane_answer_bytes: default_max_lane_answer_bytes(),
            max_total_answer_bytes: default_max_total_answer_bytes(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.checkpoint_interval_ms == 0 {
            return Err(ConfigError::value(
                "store.checkpoint_interval_ms",
                "must be at least 1",
            ));
        }
        Ok(())
    }

    pub(crate) fn outcome_limits(&self) -> OutcomeLimits {
        OutcomeLimits {
            max_age: Duration::from_secs(self.outcome_seconds),
            max_outcomes: self.max_outcomes,
            max_lane_bytes: self.max_lane_answer_bytes,
            max_total_bytes: self.max_total_answer_bytes,
        }
    }

    pub(crate) fn checkpoint_interval(&self) -> Duration {
        Duration::from_millis(self.checkpoint_interval_ms)
    }
}

fn default_checkpoint_interval_ms() -> u64 {
    1_000
}

fn default_outcome_seconds() -> u64 {
    OutcomeLimits::default().max_age.as_secs()
}

fn default_max_outcomes() -> usize {
    OutcomeLimits::default().max_outcomes
}

fn default_max_stored_answer_bytes() -> usize {
    64 * 1024
}

fn default_max_lane_answer_bytes() -> u64 {
    OutcomeLimits::default().max_lane_bytes
}

fn default_max_total_answer_bytes() -> u64 {
    OutcomeLimits::default().max_total_bytes
}
