//! Prices of plain routes, which are sold by the request and by the byte.

mod pattern;

use farthing_protocol::BaseUnits;
use farthing_protocol::price::{TokenPrice, Tokens};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

pub use pattern::{RoutePattern, RoutePatternError};
pub(crate) use pattern::{matches, precedence};

/// The price of one route. The maximum follows from the length of the request's body.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutePrice {
    /// Base units per request.
    #[serde_as(as = "DisplayFromStr")]
    pub per_request: BaseUnits,
    /// Base units per million bytes of the request's body, added to the rest.
    #[serde_as(as = "DisplayFromStr")]
    pub per_million_request_bytes: BaseUnits,
    /// Price of the answer's bytes, added to the rest; if absent, the answer's bytes cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerPrice>,
    /// The least that a request costs, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub minimum: BaseUnits,
}

/// The price of an answer's bytes, and the most bytes that an answer may have.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerPrice {
    /// Base units per million bytes of the answer's body.
    #[serde_as(as = "DisplayFromStr")]
    pub per_million_bytes: BaseUnits,
    /// The most bytes that one answer may have and cost.
    pub max_bytes: u64,
}

/// Number of bytes of one request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByteUsage {
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub answer_bytes: u64,
}

impl RoutePrice {
    /// A fixed price for every request, whatever its length and that of its answer.
    #[must_use]
    pub const fn per_request(amount: BaseUnits) -> Self {
        Self {
            per_request: amount,
            per_million_request_bytes: BaseUnits::ZERO,
            answer: None,
            minimum: BaseUnits::ZERO,
        }
    }

    /// The price of these bytes, rounded up once like all prices; `None` if it exceeds 64 bits.
    fn of(&self, bytes: ByteUsage) -> Option<BaseUnits> {
        let answer = self.answer.map(|answer| answer.per_million_bytes);
        let price = TokenPrice {
            input_per_million: self.per_million_request_bytes,
            output_per_million: answer.unwrap_or_default(),
            per_request: self.per_request,
            minimum: self.minimum,
            ..TokenPrice::default()
        };
        price.of(Tokens {
            input: bytes.request_bytes,
            output: bytes.answer_bytes,
            ..Tokens::default()
        })
    }

    /// The most that a request with a body of `request_bytes` bytes can cost; `None` if it exceeds 64 bits.
    #[must_use]
    pub fn maximum(&self, request_bytes: u64) -> Option<BaseUnits> {
        self.of(ByteUsage {
            request_bytes,
            answer_bytes: self.answer.map_or(0, |answer| answer.max_bytes),
        })
    }

    /// What these bytes cost, at most `maximum`.
    #[must_use]
    pub fn charge(&self, bytes: ByteUsage, maximum: BaseUnits) -> BaseUnits {
        self.of(bytes).map_or(maximum, |charge| charge.min(maximum))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const PRICE: RoutePrice = RoutePrice {
        per_request: BaseUnits(100),
        per_million_request_bytes: BaseUnits(3),
        answer: Some(AnswerPrice {
            per_million_bytes: BaseUnits(7),
            max_bytes: 1_000_000,
        }),
        minimum: BaseUnits(105),
    };

    fn bytes(request_bytes: u64, answer_bytes: u64) -> ByteUsage {
        ByteUsage {
            request_bytes,
            answer_bytes,
        }
    }

    #[test]
    fn a_request_is_rounded_up_once() {
        assert_eq!(PRICE.maximum(0), Some(BaseUnits(107)));
        assert_eq!(PRICE.maximum(1), Some(BaseUnits(108)));
        let charge = |request, answer| PRICE.charge(bytes(request, answer), BaseUnits(110)).0;
        assert_eq!(charge(0, 0), 105, "the least");
        assert_eq!(charge(1_000_000, 400_000), 106, "3 and 2.8 are 6 together");
        assert_eq!(
            charge(1_000_000, 2_000_000),
            110,
            "never more than reserved"
        );
    }

    #[test]
    fn what_exceeds_64_bits_has_no_maximum_and_costs_no_more_than_reserved() {
        let price = RoutePrice {
            per_million_request_bytes: BaseUnits(u64::MAX),
            ..PRICE
        };
        assert_eq!(price.maximum(1_000_001), None);
        let charge = price.charge(bytes(u64::MAX, u64::MAX), BaseUnits(9));
        assert_eq!(charge, BaseUnits(9));
    }

    #[test]
    fn a_price_is_written_as_other_prices_are() {
        let written = json!({
            "perRequest": "100",
            "perMillionRequestBytes": "3",
            "answer": {"perMillionBytes": "7", "maxBytes": 1_000_000},
            "minimum": "105",
        });
        assert_eq!(serde_json::to_value(PRICE).expect("JSON"), written);
        assert_eq!(
            serde_json::from_value::<RoutePrice>(written).ok(),
            Some(PRICE)
        );
    }

    proptest! {
        #[test]
        fn no_charge_within_the_bounds_exceeds_the_maximum(
            per_request in 0_u64..1 << 40, request in 0_u64..1 << 40, answer in 0_u64..1 << 40,
            minimum in 0_u64..1 << 40, max_bytes in 0_u64..1 << 30, body in 0_u64..1 << 30, part in 0.0..=1.0_f64,
        ) {
            let price = RoutePrice {
                per_request: BaseUnits(per_request),
                per_million_request_bytes: BaseUnits(request),
                answer: Some(AnswerPrice { per_million_bytes: BaseUnits(answer), max_bytes }),
                minimum: BaseUnits(minimum),
            };
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
            let came = (max_bytes as f64 * part) as u64;
            let maximum = price.maximum(body).expect("it fits");
            prop_assert!(price.charge(bytes(body, came), BaseUnits(u64::MAX)) <= maximum);
        }
    }
}
