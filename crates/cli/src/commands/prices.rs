//! Formats prices for people, in USDC.

use std::fmt;

use farthing_protocol::BaseUnits;
use farthing_verifier::prices::Prices;
use farthing_wire::amount::Usdc;
use farthing_wire::pricing::{ModelPrice, RoutePrice};
use serde::Serialize;

use crate::output::table;

/// The price list of a verifier: models and routes, both paid and free.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct PriceTable(Vec<Sold>);

/// One row of the price list: a model in a tier, or a route.
#[derive(Debug, Serialize)]
struct Sold {
    /// Name or pattern.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    /// The price; `None` if it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

/// A price in base units, as in a 402.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Price {
    Model(ModelPrice),
    Route(RoutePrice),
}

impl From<&Prices> for PriceTable {
    fn from(prices: &Prices) -> Self {
        let models = prices.tiers.iter().flat_map(|tier| {
            tier.models.all().map(|(name, sold)| Sold {
                name: name.to_owned(),
                tier: Some(tier.name().to_owned()),
                price: Some(Price::Model(sold.price)),
            })
        });
        let free = prices.free.all().map(|(name, _)| Sold {
            name: name.to_owned(),
            tier: None,
            price: None,
        });
        let routes = prices.routes.all().map(|route| Sold {
            name: route.name.to_string(),
            tier: None,
            price: route.price.map(Price::Route),
        });
        Self(models.chain(free).chain(routes).collect())
    }
}

impl fmt::Display for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().map(|sold| {
            let price = match &sold.price {
                Some(Price::Model(price)) => of_model(price),
                Some(Price::Route(price)) => of_route(price),
                None => "free".to_owned(),
            };
            vec![
                sold.name.clone(),
                sold.tier.clone().unwrap_or_default(),
                price,
            ]
        });
        table(&["sold", "tier", "USDC"], rows).fmt(f)
    }
}

/// Formats a model's price, leaving out parts that are zero.
#[must_use]
pub fn of_model(price: &ModelPrice) -> String {
    let cached = price.cached_input_per_million.unwrap_or_default();
    let reasoning = price.reasoning_per_million.unwrap_or_default();
    listed([
        (price.input_per_million, "per million input tokens"),
        (cached, "per million cached input tokens"),
        (price.output_per_million, "per million output tokens"),
        (reasoning, "per million reasoning tokens"),
        (price.per_request, "per request"),
        (price.minimum, "at least"),
    ])
}

fn of_route(price: &RoutePrice) -> String {
    let answer = price.answer.map(|answer| answer.per_million_bytes);
    listed([
        (price.per_request, "per request"),
        (
            price.per_million_request_bytes,
            "per million bytes of the request",
        ),
        (
            answer.unwrap_or_default(),
            "per million bytes of the answer",
        ),
        (price.minimum, "at least"),
    ])
}

fn listed<const N: usize>(parts: [(BaseUnits, &str); N]) -> String {
    let costly = parts
        .into_iter()
        .filter(|(amount, _)| *amount > BaseUnits::ZERO);
    let parts: Vec<_> = costly
        .map(|(amount, what)| format!("{} {what}", Usdc(amount)))
        .collect();
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use farthing_verifier::Config;
    use farthing_verifier::config::PricingConfig;

    use super::*;

    #[test]
    fn all_that_is_sold_is_listed_with_its_price() {
        let pricing: PricingConfig = toml::from_str(
            r#"
            free_models = ["health"]
            [models."small-*"]
            input_per_million = "0.15"
            output_per_million = "0.60"
            max_output_tokens = 256
            [tiers.priority.models.small-1]
            input_per_million = "0.30"
            output_per_million = "1.20"
            per_request = "0.001"
            max_output_tokens = 256
            [routes."GET /weather/*"]
            per_request = "0.0005"
            "#,
        )
        .expect("a price list");
        let config = Config {
            pricing,
            ..Config::default()
        };
        let prices = PriceTable::from(&config.prices());
        let shown = prices.to_string();
        let lines = [
            "small-* standard 0.15 per million input tokens, 0.60 per million output tokens",
            "small-1 priority 0.30 per million input tokens, 1.20 per million output tokens, 0.001 per request",
            "health free",
            "GET /weather/* 0.0005 per request",
        ];
        let shown: Vec<String> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for line in lines {
            assert!(
                shown.iter().any(|shown| shown == line),
                "{line}: {shown:#?}"
            );
        }
        let json = serde_json::to_value(&prices).expect("JSON");
        assert_eq!(json[1]["tier"], "priority");
        assert_eq!(json[1]["price"]["perRequest"], "1000");
        assert_eq!(json[2], serde_json::json!({"name": "health"}));
    }
}
