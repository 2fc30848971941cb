//! `[chain]`: which chain, which program, and which channels are served.

use std::time::Duration;

use farthing_chain::token::{TOKEN_PROGRAM, is_token_program};
use farthing_chain::{PROGRAM_ID, Token};
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use serde::Deserialize;
use serde_with::{DisplayFromStr, serde_as};
use solana_sdk::pubkey::Pubkey;

use super::http::check_url;
use super::{ConfigError, UsdcAmount};

/// Which chain, which program, and which channels are served.
#[serde_as]
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// URL of a Solana RPC node.
    pub rpc_url: String,
    /// CAIP-2 id of the network, as clients see it.
    pub network: String,
    /// The program that holds the money.
    #[serde_as(as = "DisplayFromStr")]
    #[serde(default = "default_program")]
    pub program: Pubkey,
    /// The mint that is accepted.
    #[serde_as(as = "DisplayFromStr")]
    pub mint: Pubkey,
    /// The mint's token program. The classic one unless said otherwise: USDC's.
    #[serde_as(as = "DisplayFromStr")]
    #[serde(default = "default_token_program")]
    pub token_program: Pubkey,
    /// The wallet that earns.
    #[serde_as(as = "DisplayFromStr")]
    pub payee: Pubkey,
    /// The least grace of a channel in seconds: the time to settle after its owner asks to close.
    #[serde(default = "default_min_grace_seconds")]
    pub min_grace_seconds: u32,
    /// The least deposit of a channel.
    #[serde(default)]
    pub min_deposit: UsdcAmount,
    /// How often known channels are read.
    #[serde(default = "default_poll_interval_ms")]
    pub poll_interval_ms: u64,
    /// A channel that was last seen longer ago is not served.
    #[serde(default = "default_max_snapshot_age_ms")]
    pub max_snapshot_age_ms: u64,
    /// How long one RPC request may take.
    #[serde(default = "default_rpc_timeout_ms")]
    pub rpc_timeout_ms: u64,
    /// How long a channel that is unknown or not served is remembered as such.
    #[serde(default = "default_unknown_cache_ms")]
    pub unknown_cache_ms: u64,
    /// The most channels that are looked up at the same time.
    #[serde(default = "default_max_concurrent_lookups")]
    pub max_concurrent_lookups: usize,
    /// The most channels that are served.
    #[serde(default = "default_max_channels")]
    pub max_channels: usize,
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
            rpc_url: rpc_url.into(),
            network: network.into(),
            program: default_program(),
            mint,
            token_program: default_token_program(),
            payee,
            min_grace_seconds: default_min_grace_seconds(),
            min_deposit: UsdcAmount::default(),
            poll_interval_ms: default_poll_interval_ms(),
            max_snapshot_age_ms: default_max_snapshot_age_ms(),
            rpc_timeout_ms: default_rpc_timeout_ms(),
            unknown_cache_ms: default_unknown_cache_ms(),
            max_concurrent_lookups: default_max_concurrent_lookups(),
            max_channels: default_max_channels(),
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
        check_url("chain.rpc_url", &self.rpc_url)?;
        if !self.network.starts_with("solana:") {
            return Err(ConfigError::value(
                "chain.network",
                "must be a CAIP-2 id of a Solana cluster, such as solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
            ));
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
        if self.poll_interval_ms == 0 || self.max_snapshot_age_ms <= self.poll_interval_ms {
            return Err(ConfigError::value(
                "chain.max_snapshot_age_ms",
                "must exceed chain.poll_interval_ms, which must be at least 1",
            ));
        }
        if self.max_concurrent_lookups == 0 || self.max_channels == 0 {
            return Err(ConfigError::value(
                "chain.max_concurrent_lookups",
                "this and chain.max_channels must be at least 1",
            ));
        }
        Ok(())
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) fn max_snapshot_age(&self) -> Duration {
        Duration::from_millis(self.max_snapshot_age_ms)
    }

    pub(crate) fn rpc_timeout(&self) -> Duration {
        Duration::from_millis(self.rpc_timeout_ms)
    }

    pub(crate) fn unknown_cache(&self) -> Duration {
        Duration::from_millis(self.unknown_cache_ms)
    }
}

fn default_program() -> Pubkey {
    PROGRAM_ID
}

fn default_token_program() -> Pubkey {
    TOKEN_PROGRAM
}

fn default_min_grace_seconds() -> u32 {
    172_800
}

fn default_poll_interval_ms() -> u64 {
    1_000
}

fn default_max_snapshot_age_ms() -> u64 {
    15_000
}

fn default_rpc_timeout_ms() -> u64 {
    10_000
}

fn default_unknown_cache_ms() -> u64 {
    3_000
}

fn default_max_concurrent_lookups() -> usize {
    16
}

fn default_max_channels() -> usize {
    16_384
}
