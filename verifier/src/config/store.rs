//! `[store]`: the database of the ledger, and the stored answers.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, DurationSeconds, serde_as};

use super::ConfigError;
use super::units::Bytes;
use crate::ledger::OutcomeLimits;

/// The database of the ledger, and the stored answers.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Path of the database file, which is created if it is missing. If it is lost, settled lanes can no longer be
    /// served, because their used vouchers are public on the chain.
    pub path: PathBuf,
    /// Interval at which a stream stores a checkpoint of its charge so far.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "checkpoint_interval_ms")]
    pub checkpoint_interval: Duration,
    /// Time for which the outcome of a request with an idempotency key is stored; time in which no verifier runs does
    /// not count.
    #[serde_as(as = "DurationSeconds<u64>")]
    #[serde(rename = "outcome_seconds")]
    pub outcome_age: Duration,
    /// Maximum number of stored outcomes of requests with an idempotency key; each takes about 250 bytes of memory.
    pub max_outcomes: usize,
    /// Maximum length of an answer that is stored for idempotent retries, in bytes; of a longer one only the receipt is
    /// stored.
    #[serde_as(as = "Bytes")]
    pub max_stored_answer_bytes: ByteSize,
    /// Maximum total length of the stored answers of one lane, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_lane_answer_bytes: ByteSize,
    /// Maximum total length of all stored answers, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_total_answer_bytes: ByteSize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let limits = OutcomeLimits::default();
        Self {
            path: "farthing.redb".into(),
            checkpoint_interval: Duration::from_secs(1),
            outcome_age: limits.max_age,
            max_outcomes: limits.max_outcomes,
            max_stored_answer_bytes: ByteSize::kib(64),
            max_lane_answer_bytes: ByteSize(limits.max_lane_bytes),
            max_total_answer_bytes: ByteSize(limits.max_total_bytes),
        }
    }
}

impl StoreConfig {
    /// The defaults with a database at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.checkpoint_interval.is_zero() {
            return Err(ConfigError::value(
                "store.checkpoint_interval_ms",
                "must be at least 1",
            ));
        }
        Ok(())
    }

    pub(crate) fn outcome_limits(&self) -> OutcomeLimits {
        OutcomeLimits {
            max_age: self.outcome_age,
            max_outcomes: self.max_outcomes,
            max_lane_bytes: self.max_lane_answer_bytes.as_u64(),
            max_total_bytes: self.max_total_answer_bytes.as_u64(),
        }
    }
}
