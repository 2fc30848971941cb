//! `[store]`: where the ledger is kept.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, DurationSeconds, serde_as};

use super::ConfigError;
use super::units::Bytes;
use crate::ledger::OutcomeLimits;

/// Where the ledger is kept.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The database file; created if missing. Its loss makes settled lanes unservable, because
    /// their used vouchers are public on the chain.
    pub path: PathBuf,
    /// How often a stream writes down what it has cost so far.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "checkpoint_interval_ms")]
    pub checkpoint_interval: Duration,
    /// How long a request with an idempotency key is remembered. The time in which no verifier runs
    /// does not count.
    #[serde_as(as = "DurationSeconds<u64>")]
    #[serde(rename = "outcome_seconds")]
    pub outcome_age: Duration,
    /// The most requests with an idempotency key that are remembered, about 250 bytes of memory each.
    pub max_outcomes: usize,
    /// Longest answer that is kept for whoever asks again, in bytes; of a longer one only the receipt.
    #[serde_as(as = "Bytes")]
    pub max_stored_answer_bytes: ByteSize,
    /// The most bytes of one lane's answers that are kept.
    #[serde_as(as = "Bytes")]
    pub max_lane_answer_bytes: ByteSize,
    /// The most bytes of all answers that are kept.
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
