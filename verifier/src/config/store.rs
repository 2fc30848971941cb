//! `[store]`: where the ledger is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;

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
}

impl StoreConfig {
    /// The defaults with a database at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            checkpoint_interval_ms: default_checkpoint_interval_ms(),
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

    pub(crate) fn checkpoint_interval(&self) -> Duration {
        Duration::from_millis(self.checkpoint_interval_ms)
    }
}

fn default_checkpoint_interval_ms() -> u64 {
    1_000
}
