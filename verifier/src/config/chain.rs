//! `[chain]`: the cluster, the program, and the channels that are served.

use std::time::Duration;

use farthing_chain::token::{TOKEN_PROGRAM, is_token_program};
use farthing_chain::{PROGRAM_ID, Token};
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, DurationMilliSeconds, serde_as};
use solana_sdk::pubkey::Pubkey;

use super::units::Secret;
use super::url::check_url;
use super::{ConfigError, UsdcAmount, check_places};

/// The cluster, the program, and the channels that are served.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// URL of a Solana RPC node; required. It is never logged or shown, because it may contain an access key.
    #[serde_as(as = "Secret")]
    pub rpc_url: SecretString,
    /// CAIP-2 id of the network, as clients see it; `farthing serve` reads it from the node if it is not set.
    pub network: String,
    /// Address of the escrow program.
    #[serde_as(as = "DisplayFromStr")]
    pub program: Pubkey,
    /// Mint of the accepted token; `farthing serve` uses the cluster's USDC if it is not set.
    #[serde_as(as = "DisplayFromStr")]
    pub mint: Pubkey,
    /// Token program of the mint; by default the classic SPL token program, which USDC uses.
    #[serde_as(as = "DisplayFromStr")]
    pub token_program: Pubkey,
    /// Wallet that receives what is settled; required.
    #[serde_as(as = "DisplayFromStr")]
    pub payee: Pubkey,
    /// Minimum grace of a channel in seconds: the time that is left to settle after its owner requests to close it.
    pub min_grace_seconds: u32,
    /// Minimum deposit of a channel.
    pub min_deposit: UsdcAmount,
    /// Interval at which known channels are read from the chain.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "poll_interval_ms")]
    pub poll_interval: Duration,
    /// Maximum age of a channel's last reading; a channel with an older one is not served.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "max_snapshot_age_ms")]
    pub max_snapshot_age: Duration,
    /// Timeout of an RPC request.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "rpc_timeout_ms")]
    pub rpc_timeout: Duration,
    /// Time for which the refusal of a channel that is unknown or not served is cached.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "unknown_cache_ms")]
    pub unknown_cache: Duration,
    /// Maximum number of channels that are looked up at the same time.
    pub max_concurrent_lookups: usize,
    /// Maximum number of channels that are served.
    pub max_channels: usize,
}

impl Default for ChainConfig {
    /// The defaults; RPC URL, network, mint and payee have none and must be set.
    fn default() -> Self {
        Self {
            rpc_url: SecretString::default(),
            network: String::new(),
            program: PROGRAM_ID,
            mint: Pubkey::default(),
            token_program: TOKEN_PROGRAM,
            payee: Pubkey::default(),
            min_grace_seconds: 172_800,
            min_deposit: UsdcAmount::default(),
            poll_interval: Duration::from_secs(1),
            max_snapshot_age: Duration::from_secs(15),
            rpc_timeout: Duration::from_secs(10),
            unknown_cache: Duration::from_secs(3),
            max_concurrent_lookups: 16,
            max_channels: 16_384,
        }
    }
}

impl ChainConfig {
    /// The defaults for a cluster, a mint of the classic token program and a payee.
    #[must_use]
    pub fn new(
        rpc_url: impl Into<String>,
        network: impl Into<String>,
        mint: Pubkey,
        payee: Pubkey,
    ) -> Self {
        Self {
            rpc_url: rpc_url.into().into(),
            network: network.into(),
            mint,
            payee,
            ..Self::default()
        }
    }

    /// The mint with its token program.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token {
            mint: self.mint,
            program: self.token_program,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_url("chain.rpc_url", self.rpc_url.expose_secret())?;
        if !self.network.starts_with("solana:") {
            return Err(ConfigError::value(
                "chain.network",
                "must be a CAIP-2 id of a Solana cluster, such as solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
            ));
        }
        for (key, address, what) in [
            ("chain.mint", self.mint, "the mint of the accepted token"),
            ("chain.payee", self.payee, "the wallet that is paid"),
        ] {
            if address == Pubkey::default() {
                return Err(ConfigError::value(key, format!("must be set to {what}")));
            }
        }
        if !is_token_program(&self.token_program) {
            return Err(ConfigError::value(
                "chain.token_program",
                "must be the address of the classic SPL token program or of Token-2022",
            ));
        }
        if !(MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&self.min_grace_seconds) {
            return Err(ConfigError::value(
                "chain.min_grace_seconds",
                format!("must be between {MIN_GRACE_SECONDS} and {MAX_GRACE_SECONDS}"),
            ));
        }
        if self.poll_interval.is_zero() || self.max_snapshot_age <= self.poll_interval {
            return Err(ConfigError::value(
                "chain.max_snapshot_age_ms",
                "must exceed chain.poll_interval_ms, which must be at least 1",
            ));
        }
        check_places("chain.max_concurrent_lookups", self.max_concurrent_lookups)?;
        check_places("chain.max_channels", self.max_channels)?;
        Ok(())
    }
}
