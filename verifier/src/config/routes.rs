//! `[pricing.routes]`: prices of plain routes, by the request and by the byte.

use std::collections::BTreeMap;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{AnswerPrice, RoutePattern, RoutePrice};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::UsdcAmount;

/// Price of one plain route, in decimal USDC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Price per request in USDC.
    #[serde(default)]
    pub per_request: UsdcAmount,
    /// Price per million bytes of the request's body in USDC, added to the other prices.
    #[serde(default)]
    pub per_million_request_bytes: UsdcAmount,
    /// Price per million bytes of the answer's body in USDC, added to the other prices; needs `max_answer_bytes`.
    #[serde(default)]
    pub per_million_answer_bytes: UsdcAmount,
    /// Maximum number of answer bytes that are charged; an event stream is ended beyond it.
    #[serde(default)]
    pub max_answer_bytes: Option<u64>,
    /// Minimum charge of a request in USDC.
    #[serde(default)]
    pub minimum: UsdcAmount,
}

impl RouteConfig {
    pub(super) fn price(&self) -> RoutePrice {
        RoutePrice {
            per_request: self.per_request.0,
            per_million_request_bytes: self.per_million_request_bytes.0,
            answer: self.max_answer_bytes.map(|max_bytes| AnswerPrice {
                per_million_bytes: self.per_million_answer_bytes.0,
                max_bytes,
            }),
            minimum: self.minimum.0,
        }
    }

    /// What is wrong with this price, if anything is.
    pub(super) fn objection(&self) -> Option<&'static str> {
        let free = UsdcAmount(BaseUnits::ZERO);
        let prices = [
            self.per_request,
            self.per_million_request_bytes,
            self.per_million_answer_bytes,
            self.minimum,
        ];
        if prices.iter().all(|price| *price == free) {
            return Some("name a price, or list the route in free_routes");
        }
        if self.per_million_answer_bytes != free && self.max_answer_bytes.is_none() {
            return Some(
                "per_million_answer_bytes needs max_answer_bytes, the maximum number of bytes to charge",
            );
        }
        (self.max_answer_bytes == Some(0)).then_some("max_answer_bytes must be at least 1")
    }
}

/// Reads the prices of routes. Invalid prices are refused while parsing, so that the error names the line.
pub(super) fn read<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<RoutePattern, RouteConfig>, D::Error> {
    let routes = BTreeMap::<RoutePattern, Checked>::deserialize(from)?;
    let routes = routes.into_iter();
    Ok(routes
        .map(|(route, Checked(price))| (route, price))
        .collect())
}

struct Checked(RouteConfig);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let route = RouteConfig::deserialize(from)?;
        match route.objection() {
            Some(objection) => Err(D::Error::custom(objection)),
            None => Ok(Self(route)),
        }
    }
}
