//! `[pricing]`: the models that are sold, and at what price.

use std::collections::BTreeMap;

use farthing_client::pricing::{ModelPrice, PriceList};
use farthing_protocol::BaseUnits;
use serde::Deserialize;

use super::{ConfigError, UsdcAmount};

/// Output tokens that a free model gives unless configured otherwise.
const DEFAULT_FREE_MAX_OUTPUT_TOKENS: u32 = 4_096;

/// What is sold. A model that is in neither list is not served.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    /// Prices by model name.
    #[serde(default)]
    pub models: BTreeMap<String, ModelConfig>,
    /// Models that are served without payment through the same path: for health checks, and to
    /// measure what the payment costs in time.
    #[serde(default)]
    pub free_models: Vec<String>,
    /// The most output tokens of a free request.
    #[serde(default)]
    pub free_max_output_tokens: Option<u32>,
}

/// Price of one model, in decimal USDC.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// USDC per million input tokens.
    #[serde(default)]
    pub input_per_million: UsdcAmount,
    /// USDC per million output tokens.
    #[serde(default)]
    pub output_per_million: UsdcAmount,
    /// USDC per request, added to the tokens' price.
    #[serde(default)]
    pub per_request: UsdcAmount,
    /// The least that a request costs, in USDC.
    #[serde(default)]
    pub minimum: UsdcAmount,
    /// The most tokens that one choice may have; the default of a body that names none.
    pub max_output_tokens: u32,
    /// The most tokens that one inline image may cost; images are refused without it.
    #[serde(default)]
    pub tokens_per_image: Option<u32>,
}

impl PricingConfig {
    /// The prices as client and verifier compute with them.
    #[must_use]
    pub fn price_list(&self) -> PriceList {
        let models = self.models.iter().map(|(name, model)| {
            let price = ModelPrice {
                input_per_million: model.input_per_million.0,
                output_per_million: model.output_per_million.0,
                per_request: model.per_request.0,
                minimum: model.minimum.0,
                max_output_tokens: model.max_output_tokens,
                tokens_per_image: model.tokens_per_image,
            };
            (name.clone(), price)
        });
        PriceList {
            models: models.collect(),
        }
    }

    /// The free models, at no price: their requests pass the same checks and bounds.
    #[must_use]
    pub fn free_list(&self) -> PriceList {
        let price = ModelPrice {
            input_per_million: BaseUnits::ZERO,
            output_per_million: BaseUnits::ZERO,
            per_request: BaseUnits::ZERO,
            minimum: BaseUnits::ZERO,
            max_output_tokens: self
                .free_max_output_tokens
                .unwrap_or(DEFAULT_FREE_MAX_OUTPUT_TOKENS),
            tokens_per_image: None,
        };
        let models = self.free_models.iter().map(|name| (name.clone(), price));
        PriceList {
            models: models.collect(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.models.is_empty() && self.free_models.is_empty() {
            return Err(ConfigError::value(
                "pricing.models",
                "list at least one model, as [pricing.models.\"name\"]",
            ));
        }
        for (name, model) in &self.models {
            if model.max_output_tokens == 0 {
                return Err(ConfigError::value(
                    "pricing.models",
                    format!("{name}: max_output_tokens must be at least 1"),
                ));
            }
            if self.free_models.contains(name) {
                return Err(ConfigError::value(
                    "pricing.free_models",
                    format!("{name} has a price as well: list it once"),
                ));
            }
        }
        if self.free_max_output_tokens == Some(0) {
            return Err(ConfigError::value(
                "pricing.free_max_output_tokens",
                "must be at least 1",
            ));
        }
        Ok(())
    }
}
