//! `[pricing]`: what is sold, and at what price.

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

/// Output tokens that a free model gives unless configured otherwise.
const DEFAULT_FREE_MAX_OUTPUT_TOKENS: u32 = 4_096;
/// Longest name of a tier.
const MAX_TIER_LENGTH: usize = 64;

/// What is sold. A model that no name or pattern matches is not served.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    /// Prices by model name, or by a pattern in which `*` stands for anything. A name precedes patterns,
    /// a longer pattern a shorter one.
    #[serde(default)]
    pub models: BTreeMap<String, ModelConfig>,
    /// Other prices of the same models, for another service of the upstream. Clients choose.
    #[serde(default)]
    pub tiers: BTreeMap<String, TierConfig>,
    /// Models, by name or pattern, that are served without payment through the same path: for health
    /// checks, and to measure what the payment costs in time.
    #[serde(default)]
    pub free_models: Vec<String>,
    /// The most output tokens of a free request, by default 4,096.
    #[serde(default, deserialize_with = "some_tokens")]
    pub free_max_output_tokens: Option<u32>,
    /// Prices of other routes of the upstream, by method and path, in which `*` stands for one part.
    #[serde(default, deserialize_with = "routes::read")]
    #[schemars(with = "BTreeMap<String, RouteConfig>")]
    pub routes: BTreeMap<RoutePattern, RouteConfig>,
    /// Routes that are served without payment through the same path.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub free_routes: Vec<RoutePattern>,
}

/// A tier beside the standard one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// Its prices, as those of the standard tier.
    pub models: BTreeMap<String, ModelConfig>,
    /// Headers that tell the upstream of the tier.
    #[serde(default)]
    pub upstream_headers: BTreeMap<String, String>,
}

/// Price of one model, in decimal USDC.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// USDC per million input tokens. A file names it and the next one: what was forgotten would be given away.
    pub input_per_million: UsdcAmount,
    /// USDC per million output tokens; `"0"` for embeddings, which have none.
    pub output_per_million: UsdcAmount,
    /// USDC per million input tokens that the upstream reports as cached; as any other by default.
    #[serde(default)]
    pub cached_input_per_million: Option<UsdcAmount>,
    /// USDC per million output tokens that the upstream reports as reasoning; as any other by default.
    #[serde(default)]
    pub reasoning_per_million: Option<UsdcAmount>,
    /// USDC per request, added to the tokens' price.
    #[serde(default)]
    pub per_request: UsdcAmount,
    /// The least that a request costs, in USDC.
    #[serde(default)]
    pub minimum: UsdcAmount,
    /// The most tokens that one choice may have; the default of a body that names none.
    #[serde(deserialize_with = "tokens")]
    pub max_output_tokens: u32,
    /// The most tokens that one inline image may cost; images are refused without it.
    #[serde(default)]
    pub tokens_per_image: Option<u32>,
}

/// Refuses zero where the file says so, so that the error names the line.
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
    /// The prices as requests are priced with them.
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
        // Where the file was not read, as by flags and variables.
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
                    format!("{name} has a price as well: list it once"),
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
                let reason = format!("{route} has a price as well: list it once");
                return Err(ConfigError::value("pricing.free_routes", reason));
            }
        }
        let mut routes = self.routes.keys().chain(&self.free_routes);
        match routes.find(|route| is_reserved(route.method(), route.path())) {
            Some(route) => {
                let reason = format!("{route} is served by this gateway itself");
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
            format!("{name:?} must be letters, digits, - and _, and not \"standard\""),
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
                format!("{name}: {header} is no header that can be sent"),
            ));
        }
    }
    Ok(())
}
