//! `[pricing]`: the prices of everything that is sold.

use std::collections::BTreeMap;
use std::sync::Arc;

use farthing_wire::pricing::{BodyRules, ModelPrice, OutputLimitField, RoutePattern, ToolPrice};
use farthing_wire::x402::STANDARD_TIER;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::routes::{self, RouteConfig};
use super::{ConfigError, UpstreamConfig, UsdcAmount};
use crate::prices::reserved::is_reserved;
use crate::prices::{ByModel, ModelPrices, Prices, RoutePrices, SoldModel, Tier, WhenClientLeaves};

/// Maximum number of output tokens of a free request, unless configured otherwise.
const DEFAULT_FREE_MAX_OUTPUT_TOKENS: u32 = 4_096;
/// Maximum length of a tier's name.
const MAX_TIER_LENGTH: usize = 64;

/// Prices of everything that is sold. A model that no name or pattern matches is not served.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// Further fields of requests to models that are passed on although this version does not know them or refuses them;
    /// their bytes count as input. Whatever they cost beyond that is not charged.
    #[serde(default)]
    pub allow_fields: Vec<String>,
    /// Fields of requests to models that are removed before a request is passed on.
    #[serde(default)]
    pub drop_fields: Vec<String>,
    /// Tools that the upstream would run, such as `web_search`, that are removed from requests to models that have no price
    /// for them, before a request is passed on; without it, such a request is refused.
    #[serde(default)]
    pub drop_tools: Vec<String>,
    /// What becomes of a request for more output than a model's `max_output_tokens`: `lower`, the default, uses the
    /// maximum instead, `refuse` refuses it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub above_limit: AboveLimit,
    /// Whether a client that leaves before its answer is complete pays an estimate, from the elapsed time, of what cannot
    /// be seen; by default true. Without it, only what was seen is charged.
    #[serde(default = "yes")]
    pub estimate_abandoned: bool,
}

const fn yes() -> bool {
    true
}

/// What becomes of a request for more output than a model's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AboveLimit {
    /// The limit is used instead.
    #[default]
    Lower,
    /// The request is refused.
    Refuse,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Maximum number of output tokens per choice.
    #[serde(deserialize_with = "tokens")]
    pub max_output_tokens: u32,
    /// Number of output tokens per choice for requests that set no limit, by default `max_output_tokens`. The value is
    /// reserved, and set in the request to the upstream.
    #[serde(default, deserialize_with = "some_tokens")]
    pub default_output_tokens: Option<u32>,
    /// Name under which the upstream takes the output limit of a chat completion: `max_tokens`,
    /// `max_completion_tokens`, or `none` if it takes none. By default it follows from the upstream's dialect, and is
    /// `max_completion_tokens` where that is not known.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub output_limit_field: Option<OutputLimitField>,
    /// The upstream's own name of the model, if it is another one.
    #[serde(default)]
    pub upstream_model: Option<String>,
    /// What becomes of an answer whose client disconnects: `stop`, the default, stops the upstream, `finish` lets it
    /// finish and charges the whole answer.
    #[serde(default)]
    #[schemars(with = "String")]
    pub when_client_leaves: WhenClientLeaves,
    /// Maximum number of tokens that are charged for one inline image; without it, images are refused.
    #[serde(default)]
    pub tokens_per_image: Option<u32>,
    /// Maximum number of tokens that are charged for 1,024 characters of inline audio in base64; without it, audio is
    /// refused.
    #[serde(default)]
    pub tokens_per_audio_kib: Option<u32>,
    /// Maximum number of tokens that are charged for 1,024 characters of an inline file in base64; without it, files are
    /// refused.
    #[serde(default)]
    pub tokens_per_file_kib: Option<u32>,
    /// Prices of tools that the upstream runs, by their type, such as `web_search`; other such tools are refused.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolConfig>,
}

/// Price of a tool that the upstream runs, in decimal USDC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// Price per call in USDC.
    pub per_call: UsdcAmount,
    /// Maximum number of calls in one request.
    pub max_calls: u32,
    /// Maximum number of input tokens that the results of one request's calls may add.
    pub max_input_tokens: u32,
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
            default_output_tokens: self.default_output_tokens,
            tokens_per_image: self.tokens_per_image,
            tokens_per_audio_kib: self.tokens_per_audio_kib,
            tokens_per_file_kib: self.tokens_per_file_kib,
        }
    }

    fn tool_prices(&self) -> BTreeMap<String, ToolPrice> {
        let tools = self.tools.iter();
        let prices = tools.map(|(name, tool)| {
            let price = ToolPrice {
                per_call: tool.per_call.0,
                max_calls: tool.max_calls,
                max_input_tokens: tool.max_input_tokens,
            };
            (name.clone(), price)
        });
        prices.collect()
    }

    /// What is wrong with this model, if anything is.
    fn objection(&self) -> Option<&'static str> {
        let has_default = self.default_output_tokens.is_some();
        if self.max_output_tokens == 0 {
            Some("max_output_tokens must be at least 1")
        } else if self.default_output_tokens > Some(self.max_output_tokens) {
            Some("default_output_tokens must not exceed max_output_tokens")
        } else if has_default && self.output_limit_field == Some(OutputLimitField::None) {
            Some("default_output_tokens has no effect with output_limit_field = \"none\"")
        } else {
            None
        }
    }
}

impl Default for PricingConfig {
    fn default() -> Self {
        Self {
            models: BTreeMap::new(),
            tiers: BTreeMap::new(),
            free_models: Vec::new(),
            free_max_output_tokens: None,
            routes: BTreeMap::new(),
            free_routes: Vec::new(),
            allow_fields: Vec::new(),
            drop_fields: Vec::new(),
            drop_tools: Vec::new(),
            above_limit: AboveLimit::default(),
            estimate_abandoned: true,
        }
    }
}

impl PricingConfig {
    /// The prices in the form in which requests are priced with them, with the rules of each upstream.
    pub(super) fn prices(&self, upstreams: &[UpstreamConfig]) -> Prices {
        let models = |models: &BTreeMap<String, ModelConfig>| {
            let models = models.iter();
            ModelPrices::new(
                models.map(|(pattern, model)| (pattern.clone(), self.sold(model, upstreams))),
            )
        };
        let standard = Tier {
            name: None,
            models: models(&self.models),
            upstream_headers: Vec::new(),
        };
        let others = self.tiers.iter().map(|(name, tier)| Tier {
            name: Some(name.clone()),
            models: models(&tier.models),
            upstream_headers: tier.upstream_headers.clone().into_iter().collect(),
        });
        let tokens = self.free_max_output_tokens;
        let free = ModelConfig {
            max_output_tokens: tokens.unwrap_or(DEFAULT_FREE_MAX_OUTPUT_TOKENS),
            ..ModelConfig::default()
        };
        let free = self.sold(&free, upstreams);
        let free_models = self.free_models.iter();
        let served = upstreams.iter().enumerate().flat_map(|(index, upstream)| {
            let models = upstream.models.iter();
            models.map(move |pattern| (pattern.clone(), index))
        });
        Prices {
            tiers: std::iter::once(standard).chain(others).collect(),
            free: ModelPrices::new(free_models.map(|pattern| (pattern.clone(), free.clone()))),
            routes: self.route_prices(),
            upstreams: ByModel::new(served),
            estimate_abandoned: self.estimate_abandoned,
        }
    }

    fn sold(&self, model: &ModelConfig, upstreams: &[UpstreamConfig]) -> SoldModel {
        let rules = upstreams.iter().map(|upstream| {
            Arc::new(BodyRules {
                dialect: upstream.dialect,
                allow_fields: self.allow_fields.iter().cloned().collect(),
                drop_fields: self.drop_fields.iter().cloned().collect(),
                drop_tools: self.drop_tools.iter().cloned().collect(),
                refuse_above_limit: self.above_limit == AboveLimit::Refuse,
                output_limit_field: model.output_limit_field,
                tools: model.tool_prices(),
                upstream_model: model.upstream_model.clone(),
            })
        });
        SoldModel {
            price: model.price(),
            rules: rules.collect(),
            when_client_leaves: model.when_client_leaves,
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
            if let Some(objection) = model.objection() {
                let reason = format!("{name}: {objection}");
                return Err(ConfigError::value("pricing.models", reason));
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
