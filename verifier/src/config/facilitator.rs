//! `[facilitator]`: the x402 facilitator API, through which other servers sell.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_with::serde_as;

use super::ConfigError;
use super::units::Secret;

/// Minimum length of the token: 32 random characters are as strong as a key.
const MIN_TOKEN_LENGTH: usize = 32;
/// Maximum length of the token, so that it fits a header.
const MAX_TOKEN_LENGTH: usize = 256;

/// The x402 facilitator, through which other servers sell; off without this table.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FacilitatorConfig {
    /// Bearer token of the servers that verify and settle payments to `chain.payee`; required. It is never logged or
    /// shown.
    #[serde_as(as = "Secret")]
    pub bearer_token: SecretString,
    /// Maximum number of payments that are verified and neither settled nor released yet.
    #[serde(default = "default_max_held_payments")]
    pub max_held_payments: usize,
}

impl FacilitatorConfig {
    /// The defaults with a token.
    #[must_use]
    pub fn new(bearer_token: impl Into<String>) -> Self {
        Self {
            bearer_token: bearer_token.into().into(),
            max_held_payments: default_max_held_payments(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let token = self.bearer_token.expose_secret();
        let is_good = (MIN_TOKEN_LENGTH..=MAX_TOKEN_LENGTH).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_good {
            let reason = format!(
                "must have {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} visible ASCII characters and no spaces"
            );
            return Err(ConfigError::value("facilitator.bearer_token", reason));
        }
        if self.max_held_payments == 0 {
            let key = "facilitator.max_held_payments";
            return Err(ConfigError::value(key, "must be at least 1"));
        }
        Ok(())
    }
}

const fn default_max_held_payments() -> usize {
    16_384
}
