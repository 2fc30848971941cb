//! What a priced request tells whoever is to pay for it.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{PriceList, QuoteError, RoutePrice};

use super::TierQuote;

/// A request with the most that it can cost, in one of the ways to pay for it.
pub trait Quoted {
    /// The tier, by its place in [`Prices::tiers`](super::Prices::tiers), if it has one.
    fn tier(&self) -> Option<usize>;

    /// The most that it can cost.
    fn maximum(&self) -> BaseUnits;

    /// Its price, so that a client needs no 402 the next time.
    fn pricing(&self) -> PriceList;

    /// What is sold, for people.
    fn description(&self) -> String;

    /// Type of the answer, if that is known before.
    fn mime_type(&self) -> Option<&'static str>;
}

impl Quoted for TierQuote {
    fn tier(&self) -> Option<usize> {
        Some(self.tier)
    }

    fn maximum(&self) -> BaseUnits {
        self.quote.maximum
    }

    fn pricing(&self) -> PriceList {
        PriceList {
            models: [(self.quote.model.clone(), self.quote.price)].into(),
            ..PriceList::default()
        }
    }

    fn description(&self) -> String {
        format!("Inference by {}", self.quote.model)
    }

    fn mime_type(&self) -> Option<&'static str> {
        Some(if self.quote.stream {
            "text/event-stream"
        } else {
            "application/json"
        })
    }
}

/// A request of a plain route with the most that it can cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuote {
    /// The route, as its price names it.
    pub route: Arc<str>,
    /// Its price.
    pub price: RoutePrice,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// The most that it can cost.
    pub maximum: BaseUnits,
}

impl RouteQuote {
    /// Prices a request with a body of so many bytes.
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
