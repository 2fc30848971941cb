//! The prices of one model.

use farthing_protocol::BaseUnits;
use farthing_protocol::price::{TokenPrice, Tokens};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::Usage;

/// Prices of one model.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPrice {
    /// Base units per million input tokens.
    #[serde_as(as = "DisplayFromStr")]
    pub input_per_million: BaseUnits,
    /// Base units per million output tokens.
    #[serde_as(as = "DisplayFromStr")]
    pub output_per_million: BaseUnits,
    /// Base units per million input tokens that the upstream read from its cache; `input_per_million` applies if
    /// absent.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_per_million: Option<BaseUnits>,
    /// Base units per million output tokens of reasoning; `output_per_million` applies if absent.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_per_million: Option<BaseUnits>,
    /// Base units per request, added to the tokens' price.
    #[serde_as(as = "DisplayFromStr")]
    pub per_request: BaseUnits,
    /// The least that a request costs, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub minimum: BaseUnits,
    /// The most output tokens of one choice.
    pub max_output_tokens: u32,
    /// The output tokens of one choice for a body that sets no limit; `max_output_tokens` applies if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_output_tokens: Option<u32>,
    /// The most tokens that one inline image may cost; images are refused if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_image: Option<u32>,
    /// The most tokens that 1,024 characters of inline audio in base64 may cost; audio is refused if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_audio_kib: Option<u32>,
    /// The most tokens that 1,024 characters of an inline file in base64 may cost; files are refused if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_file_kib: Option<u32>,
}

impl ModelPrice {
    /// A price of zero, for answers of at most `max_output_tokens` tokens.
    #[must_use]
    pub const fn free(max_output_tokens: u32) -> Self {
        Self {
            input_per_million: BaseUnits::ZERO,
            output_per_million: BaseUnits::ZERO,
            cached_input_per_million: None,
            reasoning_per_million: None,
            per_request: BaseUnits::ZERO,
            minimum: BaseUnits::ZERO,
            max_output_tokens,
            default_output_tokens: None,
            tokens_per_image: None,
            tokens_per_audio_kib: None,
            tokens_per_file_kib: None,
        }
    }

    /// The output tokens of one choice for a body that sets no limit.
    /// Output tokens of a request that sets no limit.
    #[must_use]
    pub fn default_output(&self) -> u64 {
        let limit = self.max_output_tokens;
        u64::from(self.default_output_tokens.unwrap_or(limit).min(limit))
    }

    fn token_price(&self) -> TokenPrice {
        TokenPrice {
            input_per_million: self.input_per_million,
            output_per_million: self.output_per_million,
            cached_input_per_million: self.cached_input_per_million,
            reasoning_per_million: self.reasoning_per_million,
            per_request: self.per_request,
            minimum: self.minimum,
        }
    }

    /// The most that a request within these bounds can cost; `None` if it exceeds 64 bits.
    #[must_use]
    pub fn maximum(&self, bounds: Usage) -> Option<BaseUnits> {
        self.token_price()
            .maximum(bounds.prompt_tokens, bounds.completion_tokens)
    }

    /// What `usage` costs, at most `maximum`: a client never pays more than it reserved, whatever
    /// the upstream reports.
    #[must_use]
    pub fn charge(&self, usage: Usage, maximum: BaseUnits) -> BaseUnits {
        let tokens = Tokens {
            input: usage.prompt_tokens,
            cached_input: usage.cached_tokens,
            output: usage.completion_tokens,
            reasoning: usage.reasoning_tokens,
        };
        self.token_price()
            .of(tokens)
            .map_or(maximum, |charge| charge.min(maximum))
    }
}
