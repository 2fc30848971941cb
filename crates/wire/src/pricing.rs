//! The price of a request, computed from its body by the same code in client and verifier. Models are priced by the
//! token ([`ModelPrice`]), plain routes by the request and the byte ([`RoutePrice`]).
//!
//! Before a request, [`PriceList::quote`] bounds the tokens that its body can cost and computes the maximum. After it,
//! [`ModelPrice::charge`] applies the same prices to the usage that the upstream reports. Both use
//! [`TokenPrice`](farthing_protocol::price::TokenPrice), so a charge within the bounds never exceeds the
//! maximum.
//!
//! A field is refused only if its cost has no bound, with an error that names it and says why (`known` lists them). The
//! bound on input tokens is the number of bytes of all text plus 16 per message: no byte-level tokenizer produces more
//! tokens than bytes, and chat templates add a few tokens per message.

mod body;
mod chat;
mod completions;
mod content;
mod dialect;
mod embeddings;
mod fields;
mod known;
mod messages;
mod price;
mod responses;
mod route;
mod rules;
#[cfg(test)]
mod tests;
mod tools;
mod usage;

use std::collections::BTreeMap;

use farthing_protocol::BaseUnits;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use body::{Change, RequestBody, changed};
pub use dialect::{Dialect, OutputLimitField};
pub use price::ModelPrice;
pub use route::{AnswerPrice, ByteUsage, RoutePattern, RoutePatternError, RoutePrice};
pub use rules::{BodyRules, QuotedTool, ToolPrice};
pub use usage::Usage;

use fields::{Fields, invalid, not_bounded};

/// The endpoints that are priced by model: those of OpenAI's API, and Anthropic's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Chat completions.
    ChatCompletions,
    /// Text completions.
    Completions,
    /// Responses, without stored responses, conversations and tools that the provider runs.
    Responses,
    /// Embeddings, which have no output tokens.
    Embeddings,
    /// Messages of Anthropic's API.
    Messages,
    /// The number of tokens of messages, in Anthropic's API.
    CountTokens,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 6] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Messages,
        Self::CountTokens,
    ];

    /// The path of the endpoint.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
        }
    }

    /// The endpoint at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }
}

/// Prices by model name and by route. What is not listed is not sold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceList {
    /// Prices by model name.
    #[serde(default)]
    pub models: BTreeMap<String, ModelPrice>,
    /// Prices by route; each key is a [`RoutePattern`] as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RoutePrice>,
}

/// A request body with the most that it can cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The model.
    pub model: String,
    /// The model's price.
    pub price: ModelPrice,
    /// Whether the answer is a stream of server-sent events.
    pub stream: bool,
    /// The reports of usage within a stream that the client itself asked for.
    pub usage: StreamUsage,
    /// The most input and output tokens.
    pub bounds: Usage,
    /// The tools that the upstream runs.
    pub tools: Vec<QuotedTool>,
    /// The most that the request can cost, in base units.
    pub maximum: BaseUnits,
    /// The changes with which the client's body is sent upstream: an explicit output limit and, for a stream, a request
    /// for usage.
    pub changes: Vec<Change>,
}

/// The reports of usage within a stream that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamUsage {
    /// None.
    Hidden,
    /// One at the end.
    AtEnd,
    /// All that the upstream makes.
    Continuous,
}

/// Why a request body has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The body is not an object, or a field has the wrong type or value.
    #[error("{message}")]
    Invalid {
        /// The offending field.
        param: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The body has a field whose cost cannot be bounded at this provider's prices.
    #[error("\"{param}\" is not sold here: {why}")]
    NotBounded {
        /// The offending field.
        param: String,
        /// Why, and which setting would let it pass, if there is one.
        why: String,
    },
    /// The model is not listed.
    #[error("model \"{model}\" is not sold here")]
    ModelNotPriced {
        /// The model that was asked for.
        model: String,
    },
    /// The maximum exceeds 64 bits of base units.
    #[error("the most that the request could cost exceeds 64 bits of base units: ask for less")]
    TooExpensive,
}

/// The part of a model's name by which a router does more than ask this model.
fn chooses_more(model: &str, dialect: Option<Dialect>) -> Option<&'static str> {
    let routes =
        dialect.is_none_or(|dialect| matches!(dialect, Dialect::OpenRouter | Dialect::LiteLlm));
    let mut parts = [":online", "@preset/", ","].into_iter();
    parts.find(|part| routes && model.contains(part))
}

/// A request body with its bounds, as computed for one endpoint.
struct Bounded {
    /// The most tokens.
    bounds: Usage,
    tools: Vec<QuotedTool>,
    stream: bool,
    usage: StreamUsage,
    changes: Vec<Change>,
}

/// The model that a body names.
///
/// # Errors
/// [`QuoteError::Invalid`] if it names none.
pub fn model_of(body: &RequestBody) -> Result<&str, QuoteError> {
    body.fields()
        .get("model")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("model", "\"model\" must be a string"))
}

impl PriceList {
    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The most that a request with this body can cost, as far as the price list says: a provider may accept less, or
    /// more, than [`BodyRules::default`].
    ///
    /// # Errors
    /// [`QuoteError`] names the field that is malformed, unbounded or not sold.
    pub fn quote(&self, endpoint: Endpoint, body: &RequestBody) -> Result<Quote, QuoteError> {
        let model = model_of(body)?;
        match self.models.get(model) {
            Some(price) => price.quote(endpoint, body, &BodyRules::default()),
            None => Err(QuoteError::ModelNotPriced {
                model: model.to_owned(),
            }),
        }
    }

    /// The most that a request of a plain route can cost. If several routes match, the most specific one counts. `None`
    /// if no route matches, or the maximum exceeds 64 bits.
    #[must_use]
    pub fn route_maximum(&self, method: &str, path: &str, request_bytes: u64) -> Option<BaseUnits> {
        let routes = self.routes.iter();
        let (_, price) = routes
            .filter(|(pattern, _)| route::matches(pattern, method, path))
            .min_by_key(|(pattern, _)| route::precedence(pattern))?;
        price.maximum(request_bytes)
    }
}

impl ModelPrice {
    /// The most that a request with this body can cost at this price, and the changes with which the body is sent
    /// upstream.
    ///
    /// # Errors
    /// [`QuoteError`] names the field that is malformed or unbounded.
    pub fn quote(
        &self,
        endpoint: Endpoint,
        body: &RequestBody,
        rules: &BodyRules,
    ) -> Result<Quote, QuoteError> {
        let model = model_of(body)?;
        if rules.upstream_model.is_none()
            && let Some(part) = chooses_more(model, rules.dialect)
        {
            let why = format!(
                "with {part:?} in its name, OpenRouter or LiteLLM adds a search, or asks other models, at a price of \
                 their own (the provider can sell it under another name, with upstream_model)"
            );
            return Err(not_bounded("model", why));
        }
        let fields = Fields {
            endpoint,
            body,
            price: self,
            rules,
        };
        let Bounded {
            bounds,
            tools,
            stream,
            usage,
            mut changes,
        } = match endpoint {
            Endpoint::ChatCompletions => chat::bound(&fields)?,
            Endpoint::Completions => completions::bound(&fields)?,
            Endpoint::Responses => responses::bound(&fields)?,
            Endpoint::Embeddings => embeddings::bound(&fields)?,
            Endpoint::Messages => messages::bound(&fields)?,
            Endpoint::CountTokens => messages::bound_of_count(&fields)?,
        };
        if let Some(upstream_model) = &rules.upstream_model {
            changes.push(Change::set("model", upstream_model));
        }
        let maximum = self.maximum(bounds).and_then(|tokens| {
            let mut tools = tools.iter();
            tools.try_fold(tokens, |sum, tool| sum.checked_add(tool.price.maximum()?))
        });
        Ok(Quote {
            model: model.to_owned(),
            price: *self,
            stream,
            usage,
            bounds,
            maximum: maximum.ok_or(QuoteError::TooExpensive)?,
            tools,
            changes,
        })
    }
}
