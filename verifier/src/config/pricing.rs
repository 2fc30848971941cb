//! `[pricing]`: the prices of everything that is sold.

use std::collections::BTreeMap;

use farthing_wire::pricing::{ModelPrice, RoutePattern};
use farthing_wire::x402::STANDARD_TIER;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::routes::{self, RouteConfig};
use super::{ConfigError, UsdcAmount};
use crate::prices::reserved::is_reserved;
use crate::prices::{ModelPrices, Prices, RoutePrices, Tier};

/// Maximum number of output tokens of a free request, unless configured otherwise.
const DEFAULT_FREE_MAX_OUTPUT_TOKENS: u32 = 4_096;
/// Maximum length of a tier's name.
const MAX_TIER_LENGTH: usize = 64;

/// Prices of everything that is sold. A model that no name or pattern matches is not served.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    /// Prices by model name, or by a pattern in which `*` matches any text. A name takes precedence over patterns, a
    /// longer pattern over a shorter one.
    #[serde(default)]
    pub models: BTreeMap<String, ModelConfig>,
    /// Further price tiers, for another level of service by the upstream; clients choose the tier.
    #[serde(default)]
    pub tiers: BTreeMap<String, TierConfig>,
    /// Models, by name or pattern, that are served without payment but otherwise like paid ones: for health checks, and
    /// to measure the latency that payments add.
    #[serde(default)]
    pub free_models: Vec<String>,
    /// Maximum number of output tokens of a free request, by default 4,096.
    #[serde(default, deserialize_with = "some_tokens")]
    pub free_max_output_tokens: Option<u32>,
    /// Prices of plain routes of the upstream, by method and path, in which `*` matches one path segment.
    #[serde(default, deserialize_with = "routes::read")]
    #[schemars(with = "BTreeMap<String, RouteConfig>")]
    pub routes: BTreeMap<RoutePattern, RouteConfig>,
    /// Plain routes that are served without payment.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub free_routes: Vec<RoutePattern>,
}

/// A price tier besides the standard one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// Prices of the tier, in the format of `pricing.models`.
    pub models: BTreeMap<String, ModelConfig>,
    /// Headers that are sent to the upstream to select the tier there.
    #[serde(default)]
    pub upstream_headers: BTreeMap<String, String>,
}

/// Price of one model, in decimal USDC.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Price per million input tokens in USDC. It is required, as is `output_per_million`, because tokens without a
    /// price would be given away.
    pub input_per_million: UsdcAmount,
    /// Price per million output tokens in USDC; `"0"` for embeddings, which have no output tokens.
    pub output_per_million: UsdcAmount,
    /// Price per million input tokens that the upstream reports as cached, in USDC; by default that of other input
    /// tokens.
    #[serde(default)]
    pub cached_input_per_million: Option<UsdcAmount>,
    /// Price per million output tokens that the upstream reports as reasoning, in USDC; by default that of other output
    /// tokens.
    #[serde(default)]
    pub reasoning_per_million: Option<UsdcAmount>,
    /// Price per request in USDC, added to the price of the tokens.
    #[serde(default)]
    pub per_request: UsdcAmount,
    /// Minimum charge of a request in USDC.
    #[serde(default)]
    pub minimum: UsdcAmount,
    /// Maximum number of output tokens per choice; it also applies to requests that set no limit.
    #[serde(deserialize_with = "tokens")]
    pub max_output_tokens: u32,
    /// Maximum number of tokens that are charged for one inline image; without it, images are refused.
    #[serde(default)]
    pub tokens_per_image: Option<u32>,
}

/// Reads a number of tokens. Zero is refused while parsing, so that the error names the line.
fn tokens<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(D::Error::custom("must be at least 1")),
        tokens => Ok(tokens),
    }
}

fn some_tokens<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    tokens(from).map(Some)
}

impl ModelConfig {
    fn price(&self) -> ModelPrice {
        ModelPrice {
            input_per_million: self.input_per_million.0,
            output_per_million: self.output_per_million.0,
            cached_input_per_million: self.cached_input_per_million.map(|amount| amount.0),
            reasoning_per_million: self.reasoning_per_million.map(|amount| amount.0),
            per_request: self.per_request.0,
            minimum: self.minimum.0,
            max_output_tokens: self.max_output_tokens,
            tokens_per_image: self.tokens_per_image,
        }
    }
}

fn model_prices(models: &BTreeMap<String, ModelConfig>) -> ModelPrices {
    let prices = models.iter();
    ModelPrices::new(prices.map(|(pattern, model)| (pattern.clone(), model.price())))
}

impl PricingConfig {
    /// The prices in the form in which requests are priced with them.
    #[must_use]
    pub fn prices(&self) -> Prices {
        let standard = Tier {
            name: None,
            models: model_prices(&self.models),
            upstream_headers: Vec::new(),
        };
        let others = self.tiers.iter().map(|(name, tier)| Tier {
            name: Some(name.clone()),
            models: model_prices(&tier.models),
            upstream_headers: tier.upstream_headers.clone().into_iter().collect(),
        });
        let tokens = self.free_max_output_tokens;
        let free = ModelPrice::free(tokens.unwrap_or(DEFAULT_FREE_MAX_OUTPUT_TOKENS));
        let free_models = self.free_models.iter();
        Prices {
            tiers: std::iter::once(standard).chain(others).collect(),
            free: ModelPrices::new(free_models.map(|pattern| (pattern.clone(), free))),
            routes: self.route_prices(),
        }
    }

    fn route_prices(&self) -> RoutePrices {
        let priced = self.routes.iter();
        let priced = priced.map(|(route, price)| (route.clone(), Some(price.price())));
        let free = self.free_routes.iter().map(|route| (route.clone(), None));
        RoutePrices::new(priced.chain(free))
    }

    /// Whether nothing is sold or given away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let no_models = self.models.is_empty() && self.free_models.is_empty();
        no_models && self.routes.is_empty() && self.free_routes.is_empty()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_routes()?;
        // Repeats checks of the parser, for configurations that were not parsed from TOML.
        let of_tiers = self.tiers.values().flat_map(|tier| &tier.models);
        for (name, model) in self.models.iter().chain(of_tiers) {
            if model.max_output_tokens == 0 {
                return Err(ConfigError::value(
                    "pricing.models",
                    format!("{name}: max_output_tokens must be at least 1"),
                ));
            }
            if self.free_models.contains(name) {
                return Err(ConfigError::value(
                    "pricing.free_models",
                    format!("{name} has a price as well: list it in only one of them"),
                ));
            }
        }
        for (name, tier) in &self.tiers {
            check_tier(name, tier)?;
        }
        Ok(())
    }
}

impl PricingConfig {
    fn check_routes(&self) -> Result<(), ConfigError> {
        for (route, price) in &self.routes {
            if let Some(objection) = price.objection() {
                let reason = format!("{route}: {objection}");
                return Err(ConfigError::value("pricing.routes", reason));
            }
            if self.free_routes.contains(route) {
                let reason = format!("{route} has a price as well: list it in only one of them");
                return Err(ConfigError::value("pricing.free_routes", reason));
            }
        }
        let mut routes = self.routes.keys().chain(&self.free_routes);
        match routes.find(|route| is_reserved(route.method(), route.path())) {
            Some(route) => {
                let reason = format!("{route} is served by this gateway itself and cannot be sold");
                Err(ConfigError::value("pricing.routes", reason))
            }
            None => Ok(()),
        }
    }
}

fn check_tier(name: &str, tier: &TierConfig) -> Result<(), ConfigError> {
    let is_name = (1..=MAX_TIER_LENGTH).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_name || name == STANDARD_TIER {
        return Err(ConfigError::value(
            "pricing.tiers",
            format!("{name:?} may have letters, digits, - and _ only, and not be \"standard\""),
        ));
    }
    if tier.models.is_empty() {
        return Err(ConfigError::value(
            "pricing.tiers",
            format!("{name}: list at least one model, as [pricing.tiers.{name}.models.\"name\"]"),
        ));
    }
    for (header, value) in &tier.upstream_headers {
        let is_header = axum::http::HeaderName::try_from(header).is_ok()
            && axum::http::HeaderValue::try_from(value).is_ok();
        if !is_header {
            return Err(ConfigError::value(
                "pricing.tiers",
                format!("{name}: {header} is not a valid HTTP header"),
            ));
        }
    }
    Ok(())
}
