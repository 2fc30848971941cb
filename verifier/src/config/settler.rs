//! `[settler]`: when what was charged goes on-chain.

use std::time::Duration;

use farthing_protocol::BaseUnits;
use serde::Deserialize;

use super::{ConfigError, UsdcAmount};

/// When to settle. Closing channels and revoked lanes never wait.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettlerConfig {
    /// A channel that owes at least this much is settled.
    pub min_amount: UsdcAmount,
    /// A channel that has owed anything for this long is settled.
    pub max_age_ms: u64,
    /// A lane that owes less is left out: it would cost more in fees.
    pub min_claim: UsdcAmount,
    /// Price of a compute unit in millionths of a lamport: what a busy cluster asks for.
    pub compute_unit_price_micro_lamports: u64,
    /// How often the planner looks, and pending transactions are asked about.
    pub poll_interval_ms: u64,
    /// How often a pending transaction is sent again.
    pub rebroadcast_interval_ms: u64,
    /// The most transactions that are pending at the same time.
    pub max_pending_transactions: usize,
    /// How long the last settlement may take when the server shuts down.
    pub shutdown_timeout_ms: u64,
}

impl Default for SettlerConfig {
    fn default() -> Self {
        Self {
            min_amount: UsdcAmount(BaseUnits(1_000_000)),
            max_age_ms: 3_600_000,
            min_claim: UsdcAmount::default(),
            compute_unit_price_micro_lamports: 1_000,
            poll_interval_ms: 1_000,
            rebroadcast_interval_ms: 2_000,
            max_pending_transactions: 64,
            shutdown_timeout_ms: 180_000,
        }
    }
}

impl SettlerConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.poll_interval_ms == 0 {
            return Err(ConfigError::value(
                "settler.poll_interval_ms",
                "must be at least 1",
            ));
        }
        // One RPC request asks for the status of at most 256 transactions.
        if !(1..=256).contains(&self.max_pending_transactions) {
            return Err(ConfigError::value(
                "settler.max_pending_transactions",
                "must be between 1 and 256",
            ));
        }
        Ok(())
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) fn rebroadcast_interval(&self) -> Duration {
        Duration::from_millis(self.rebroadcast_interval_ms)
    }

    pub(crate) fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}
