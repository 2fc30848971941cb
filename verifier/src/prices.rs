//! The prices of everything that is sold: of models, by name or pattern and in tiers, and of plain routes. Pure.

mod quoted;
pub(crate) mod reserved;
mod routes;

use std::sync::Arc;

use farthing_wire::pricing::{
    BodyRules, Endpoint, ModelPrice, Quote, QuoteError, RequestBody, model_of,
};
use farthing_wire::x402::STANDARD_TIER;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

pub use quoted::{Quoted, RouteQuote};
pub use routes::{Route, RoutePrices};

/// The prices of everything that is sold or free.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// The standard tier, then the others.
    pub tiers: Vec<Tier>,
    /// Models that are free.
    pub free: ModelPrices,
    /// Routes that have a price of their own, or are free.
    pub routes: RoutePrices,
    /// The index of the upstream that serves a model; a model without one is served by the first.
    pub upstreams: ByModel<usize>,
    /// Whether what a client cannot have seen before it disconnected is estimated and charged.
    pub estimate_abandoned: bool,
}

/// A price tier: one price for each model that it sells.
#[derive(Debug, Clone, Default)]
pub struct Tier {
    /// Name of the tier; `None` for the standard tier.
    pub name: Option<String>,
    /// Its prices.
    pub models: ModelPrices,
    /// Headers that select the tier at the upstream.
    pub upstream_headers: Vec<(String, String)>,
}

impl Tier {
    /// Name of the tier, also for the standard tier.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(STANDARD_TIER)
    }
}

/// Values by model name and pattern.
#[derive(Debug, Clone)]
pub struct ByModel<T> {
    /// Ordered by precedence: the first entry that matches counts.
    entries: Vec<(WildMatch, String, T)>,
}

/// Models that are sold, by name and pattern.
pub type ModelPrices = ByModel<SoldModel>;

impl<T> Default for ByModel<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<T> ByModel<T> {
    /// Values by model name, or by a pattern in which `*` matches any text.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, impl Into<T>)>) -> Self {
        let entries = values
            .into_iter()
            .map(|(pattern, value)| (WildMatch::new(&escaped(&pattern)), pattern, value.into()));
        let mut entries: Vec<_> = entries.collect();
        // Names come first, then patterns, of which the longest is the most specific.
        entries
            .sort_by_key(|(_, pattern, _)| (is_pattern(pattern), std::cmp::Reverse(pattern.len())));
        Self { entries }
    }

    /// The value of a model.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&T> {
        let mut entries = self.entries.iter();
        entries
            .find(|(matches, pattern, _)| pattern == model || matches.matches(model))
            .map(|(_, _, value)| value)
    }

    /// The models that are listed by name.
    pub fn names(&self) -> impl Iterator<Item = (&str, &T)> {
        self.all().filter(|(name, _)| !is_pattern(name))
    }

    /// All names and patterns.
    pub fn all(&self) -> impl Iterator<Item = (&str, &T)> {
        let entries = self.entries.iter();
        entries.map(|(_, pattern, value)| (pattern.as_str(), value))
    }
}

/// A model that is sold.
#[derive(Debug, Clone)]
pub struct SoldModel {
    /// Its price.
    pub price: ModelPrice,
    /// What is accepted in a request's body, by index of the upstream that serves the model.
    pub rules: Vec<Arc<BodyRules>>,
    /// What becomes of an answer whose client disconnects.
    pub when_client_leaves: WhenClientLeaves,
}

impl From<ModelPrice> for SoldModel {
    fn from(price: ModelPrice) -> Self {
        Self {
            price,
            rules: Vec::new(),
            when_client_leaves: WhenClientLeaves::default(),
        }
    }
}

/// What becomes of an answer whose client disconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenClientLeaves {
    /// The upstream is stopped, and what it produced until then is charged.
    #[default]
    Stop,
    /// The upstream finishes the answer, and all of it is charged.
    Finish,
}

fn is_pattern(pattern: &str) -> bool {
    pattern.contains('*')
}

/// Escapes a pattern for [`WildMatch`], so that only `*` is special in it.
fn escaped(pattern: &str) -> String {
    pattern.replace('\\', "\\\\").replace('?', "\\?")
}

/// A request that was priced.
#[derive(Debug, Clone)]
pub enum Order {
    /// The request must be paid for in one of these tiers; the standard tier comes first if it sells the model.
    Paid(Vec<TierQuote>),
    /// The request is free.
    Free(Box<ModelQuote>),
}

/// What a request to a model costs, and how it is served.
#[derive(Debug, Clone)]
pub struct ModelQuote {
    /// What it costs.
    pub quote: Quote,
    /// The request's body.
    pub body: Arc<RequestBody>,
    /// Index of the upstream that serves it.
    pub upstream: usize,
    /// What becomes of the answer if the client disconnects.
    pub when_client_leaves: WhenClientLeaves,
}

/// What a request costs in one tier.
#[derive(Debug, Clone)]
pub struct TierQuote {
    /// Index of the tier in [`Prices::tiers`].
    pub tier: usize,
    /// What it costs, and how it is served.
    pub model: ModelQuote,
}

/// Why a request has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The request's body cannot be priced.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// No tier of that name sells the model.
    #[error("model \"{model}\" is not sold here in tier \"{tier}\"")]
    TierNotSold {
        /// The model that was asked for.
        model: String,
        /// The tier that was asked for.
        tier: String,
    },
}

impl Prices {
    /// Whether any model is sold or given away.
    #[must_use]
    pub fn sells_models(&self) -> bool {
        let sold = self.tiers.iter().map(|tier| &tier.models);
        let mut lists = sold.chain([&self.free]);
        lists.any(|models| models.all().next().is_some())
    }

    /// Prices a request: in every tier that sells its model, or only in the tier that it asks for.
    ///
    /// # Errors
    /// [`OrderError`] names what is malformed, unbounded or not sold.
    pub fn order(
        &self,
        endpoint: Endpoint,
        body: &Arc<RequestBody>,
        tier: Option<&str>,
    ) -> Result<Order, OrderError> {
        let model = model_of(body)?;
        let tiers = self.tiers.iter().enumerate();
        let prices: Vec<(usize, &SoldModel)> = tiers
            .filter(|(_, known)| tier.is_none_or(|tier| tier == known.name()))
            .filter_map(|(index, known)| Some((index, known.models.of(model)?)))
            .collect();
        // A free model, by name or pattern, takes precedence over sold patterns, but not over a sold name.
        let free = self.free.of(model);
        let is_named = |list: &ModelPrices| list.names().any(|(name, _)| name == model);
        let is_sold_by_name = || self.tiers.iter().any(|tier| is_named(&tier.models));
        if let Some(free) = free
            && tier.is_none()
            && (prices.is_empty() || !is_sold_by_name())
        {
            return Ok(Order::Free(Box::new(self.quote(free, endpoint, body)?)));
        }
        if prices.is_empty() {
            let model = model.to_owned();
            return Err(match tier {
                Some(tier) => OrderError::TierNotSold {
                    model,
                    tier: tier.to_owned(),
                },
                None => QuoteError::ModelNotPriced { model }.into(),
            });
        }
        let quotes = prices.into_iter().map(|(tier, sold)| {
            let model = self.quote(sold, endpoint, body)?;
            Ok(TierQuote { tier, model })
        });
        let quotes: Result<Vec<_>, QuoteError> = quotes.collect();
        Ok(Order::Paid(quotes?))
    }

    fn quote(
        &self,
        sold: &SoldModel,
        endpoint: Endpoint,
        body: &Arc<RequestBody>,
    ) -> Result<ModelQuote, QuoteError> {
        let upstream = self.upstreams.of(model_of(body)?).copied().unwrap_or(0);
        let quote = match sold.rules.get(upstream) {
            Some(rules) => sold.price.quote(endpoint, body, rules),
            None => sold.price.quote(endpoint, body, &BodyRules::default()),
        };
        Ok(ModelQuote {
            quote: quote?,
            body: Arc::clone(body),
            upstream,
            when_client_leaves: sold.when_client_leaves,
        })
    }
}

#[cfg(test)]
mod tests {
    use farthing_protocol::BaseUnits;
    use serde_json::json;

    use super::*;

    fn price(input: u64) -> ModelPrice {
        ModelPrice {
            input_per_million: BaseUnits(input * 1_000_000),
            ..ModelPrice::free(10)
        }
    }

    fn models(prices: &[(&str, u64)]) -> ModelPrices {
        let prices = prices.iter();
        ModelPrices::new(prices.map(|(pattern, input)| ((*pattern).to_owned(), price(*input))))
    }

    fn prices() -> Prices {
        let tier = |name: Option<&str>, sold: &[(&str, u64)]| Tier {
            name: name.map(str::to_owned),
            models: models(sold),
            upstream_headers: Vec::new(),
        };
        Prices {
            tiers: vec![
                tier(None, &[("m", 1), ("m-*", 2), ("given-*", 3)]),
                tier(Some("priority"), &[("m", 5), ("only-fast", 6)]),
            ],
            free: models(&[("given-away", 0), ("m-free*", 0)]),
            ..Prices::default()
        }
    }

    fn costs(model: &str, tier: Option<&str>) -> Result<Vec<(usize, u64)>, OrderError> {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let body = Arc::new(RequestBody::try_from(body).expect("an object"));
        match prices().order(Endpoint::ChatCompletions, &body, tier)? {
            Order::Free(_) => Ok(vec![]),
            Order::Paid(quotes) => Ok(quotes
                .into_iter()
                .map(|priced| (priced.tier, priced.model.quote.maximum.0))
                .collect()),
        }
    }

    #[test]
    fn names_precede_patterns_and_long_patterns_short_ones() {
        let list = models(&[
            ("*", 1),
            ("gpt-*", 2),
            ("gpt-4*", 3),
            ("gpt-4o", 4),
            ("a?b", 5),
        ]);
        for (model, expected) in [
            ("gpt-4o", 4),
            ("gpt-4o-mini", 3),
            ("gpt-3", 2),
            ("llama", 1),
            ("a?b", 5),
            // Only a star stands for anything.
            ("axb", 1),
        ] {
            assert_eq!(
                list.of(model).map(|sold| sold.price),
                Some(price(expected)),
                "{model}"
            );
        }
        assert!(models(&[("m", 1)]).of("mm").is_none());
        let names: Vec<_> = list.names().map(|(name, _)| name).collect();
        assert_eq!(names, ["gpt-4o", "a?b"]);
    }

    #[test]
    fn what_is_not_listed_is_not_sold() {
        let model = "other".to_owned();
        let error = OrderError::Quote(QuoteError::ModelNotPriced { model });
        assert_eq!(costs("other", None), Err(error));
        let not_sold = |model: &str, tier: &str| OrderError::TierNotSold {
            model: model.to_owned(),
            tier: tier.to_owned(),
        };
        assert_eq!(
            costs("m-1", Some("priority")),
            Err(not_sold("m-1", "priority"))
        );
        assert_eq!(costs("m", Some("none")), Err(not_sold("m", "none")));
        assert_eq!(
            costs("given-away", Some("priority")),
            Err(not_sold("given-away", "priority"))
        );
    }

    #[test]
    fn every_tier_is_offered_unless_one_is_asked_for() {
        // Two letters, "user" and 16 for the message.
        let tokens = 2 + 4 + 16;
        assert_eq!(costs("m", None), Ok(vec![(0, tokens), (1, 5 * tokens)]));
        assert_eq!(costs("m", Some("standard")), Ok(vec![(0, tokens)]));
        assert_eq!(costs("m", Some("priority")), Ok(vec![(1, 5 * tokens)]));
        assert_eq!(costs("only-fast", None), Ok(vec![(1, 6 * tokens)]));
        assert_eq!(costs("given-away", None), Ok(vec![]));
        assert_eq!(costs("m-free-1", None), Ok(vec![]));
        assert_eq!(costs("given-else", None), Ok(vec![(0, 3 * tokens)]));
    }
}
