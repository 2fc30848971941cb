//! Quotes: what a client needs to know to pay for a request.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{PriceList, QuoteError, RoutePrice};

use super::TierQuote;

/// A request with its maximum cost, for one of the ways to pay for it.
pub trait Quoted {
    /// Index of the tier in [`Prices::tiers`](super::Prices::tiers), if the quote is for a model.
    fn tier(&self) -> Option<usize>;

    /// The most that the request can cost.
    fn maximum(&self) -> BaseUnits;

    /// The price, from which a client can compute the cost of later requests without another 402.
    fn pricing(&self) -> PriceList;

    /// Description of what is sold, for people.
    fn description(&self) -> String;

    /// Content type of the answer, if it is known in advance.
    fn mime_type(&self) -> Option<&'static str>;
}

impl Quoted for TierQuote {
    fn tier(&self) -> Option<usize> {
        Some(self.tier)
    }

    fn maximum(&self) -> BaseUnits {
        self.model.quote.maximum
    }

    fn pricing(&self) -> PriceList {
        let quote = &self.model.quote;
        PriceList {
            models: [(quote.model.clone(), quote.price)].into(),
            ..PriceList::default()
        }
    }

    fn description(&self) -> String {
        format!("Inference by {}", self.model.quote.model)
    }

    fn mime_type(&self) -> Option<&'static str> {
        Some(if self.model.quote.stream {
            "text/event-stream"
        } else {
            "application/json"
        })
    }
}

/// A request for a plain route with its maximum cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuote {
    /// Name of the route in the price list.
    pub route: Arc<str>,
    /// Its price.
    pub price: RoutePrice,
    /// Length of the request's body in bytes.
    pub request_bytes: u64,
    /// The most that the request can cost.
    pub maximum: BaseUnits,
}

impl RouteQuote {
    /// Prices a request with a body of `request_bytes` bytes.
    ///
    /// # Errors
    /// [`QuoteError::TooExpensive`] if the maximum exceeds 64 bits.
    pub fn new(route: Arc<str>, price: RoutePrice, request_bytes: u64) -> Result<Self, QuoteError> {
        let maximum = price.maximum(request_bytes);
        Ok(Self {
            route,
            price,
            request_bytes,
            maximum: maximum.ok_or(QuoteError::TooExpensive)?,
        })
    }
}

impl Quoted for RouteQuote {
    fn tier(&self) -> Option<usize> {
        None
    }

    fn maximum(&self) -> BaseUnits {
        self.maximum
    }

    fn pricing(&self) -> PriceList {
        PriceList {
            routes: [(self.route.to_string(), self.price)].into(),
            ..PriceList::default()
        }
    }

    fn description(&self) -> String {
        self.route.to_string()
    }

    fn mime_type(&self) -> Option<&'static str> {
        None
    }
}
