//! `[settler]`: when charges are settled on-chain.

use std::time::Duration;

use farthing_protocol::BaseUnits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, serde_as};

use super::{ConfigError, UsdcAmount};

/// When charges are settled on-chain. Closing channels and revoked lanes are settled at once.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettlerConfig {
    /// Minimum unsettled amount of a channel for which it is settled before `max_age_ms`.
    pub min_amount: UsdcAmount,
    /// Maximum age of a channel's oldest unsettled charge; the channel is settled once it is reached.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "max_age_ms")]
    pub max_age: Duration,
    /// Minimum unsettled amount of a lane to be claimed; a smaller claim would cost more in fees.
    pub min_claim: UsdcAmount,
    /// Priority fee of a settlement, in millionths of a lamport per compute unit; raise it on a busy cluster.
    pub compute_unit_price_micro_lamports: u64,
    /// Interval at which settlements are planned and the status of pending transactions is read.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "poll_interval_ms")]
    pub poll_interval: Duration,
    /// Interval at which a pending transaction is sent again.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "rebroadcast_interval_ms")]
    pub rebroadcast_interval: Duration,
    /// Maximum number of transactions that are pending at the same time.
    pub max_pending_transactions: usize,
    /// Timeout of the final settlement when the server shuts down.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "shutdown_timeout_ms")]
    pub shutdown_timeout: Duration,
}

impl Default for SettlerConfig {
    fn default() -> Self {
        Self {
            min_amount: UsdcAmount(BaseUnits(1_000_000)),
            max_age: Duration::from_secs(3_600),
            min_claim: UsdcAmount::default(),
            compute_unit_price_micro_lamports: 1_000,
            poll_interval: Duration::from_secs(1),
            rebroadcast_interval: Duration::from_secs(2),
            max_pending_transactions: 64,
            shutdown_timeout: Duration::from_secs(180),
        }
    }
}

impl SettlerConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.poll_interval.is_zero() {
            return Err(ConfigError::value(
                "settler.poll_interval_ms",
                "must be at least 1",
            ));
        }
        // One RPC request returns the status of at most 256 transactions.
        if !(1..=256).contains(&self.max_pending_transactions) {
            return Err(ConfigError::value(
                "settler.max_pending_transactions",
                "must be between 1 and 256",
            ));
        }
        Ok(())
    }
}
