//! The prices of everything that is sold: of models, by name or pattern and in tiers, and of plain routes. Pure.

mod quoted;
pub(crate) mod reserved;
mod routes;

use farthing_wire::pricing::{Endpoint, ModelPrice, Quote, QuoteError, model_of};
use farthing_wire::x402::STANDARD_TIER;
use serde_json::Value;
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

/// Prices by model name and pattern.
#[derive(Debug, Clone, Default)]
pub struct ModelPrices {
    /// Ordered by precedence: the first entry that matches is the price.
    prices: Vec<(WildMatch, String, ModelPrice)>,
}

impl ModelPrices {
    /// Prices by model name, or by a pattern in which `*` matches any text.
    #[must_use]
    pub fn new(prices: impl IntoIterator<Item = (String, ModelPrice)>) -> Self {
        let prices = prices
            .into_iter()
            .map(|(pattern, price)| (WildMatch::new(&escaped(&pattern)), pattern, price));
        let mut prices: Vec<_> = prices.collect();
        // Names come first, then patterns, of which the longest is the most specific.
        prices
            .sort_by_key(|(_, pattern, _)| (is_pattern(pattern), std::cmp::Reverse(pattern.len())));
        Self { prices }
    }

    /// The price of a model.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&ModelPrice> {
        let mut prices = self.prices.iter();
        prices
            .find(|(matches, pattern, _)| pattern == model || matches.matches(model))
            .map(|(_, _, price)| price)
    }

    /// The models that are listed by name, with their prices.
    pub fn names(&self) -> impl Iterator<Item = (&str, &ModelPrice)> {
        let prices = self.prices.iter();
        prices
            .filter(|(_, pattern, _)| !is_pattern(pattern))
            .map(|(_, pattern, price)| (pattern.as_str(), price))
    }

    /// All names and patterns, with their prices.
    pub fn all(&self) -> impl Iterator<Item = (&str, &ModelPrice)> {
        let prices = self.prices.iter();
        prices.map(|(_, pattern, price)| (pattern.as_str(), price))
    }
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
    Free(Quote),
}

/// What a request costs in one tier.
#[derive(Debug, Clone)]
pub struct TierQuote {
    /// Index of the tier in [`Prices::tiers`].
    pub tier: usize,
    /// What it costs.
    pub quote: Quote,
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
        body: &Value,
        tier: Option<&str>,
    ) -> Result<Order, OrderError> {
        let model = model_of(body)?;
        let tiers = self.tiers.iter().enumerate();
        let prices: Vec<(usize, &ModelPrice)> = tiers
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
            return Ok(Order::Free(free.quote(endpoint, body)?));
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
        let quotes = prices.into_iter().map(|(tier, price)| {
            let quote = price.quote(endpoint, body)?;
            Ok(TierQuote { tier, quote })
        });
        let quotes: Result<Vec<_>, QuoteError> = quotes.collect();
        Ok(Order::Paid(quotes?))
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
        match prices().order(Endpoint::ChatCompletions, &body, tier)? {
            Order::Free(_) => Ok(vec![]),
            Order::Paid(quotes) => Ok(quotes
                .into_iter()
                .map(|priced| (priced.tier, priced.quote.maximum.0))
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
            assert_eq!(list.of(model), Some(&price(expected)), "{model}");
        }
        assert_eq!(models(&[("m", 1)]).of("mm"), None);
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
