//! Computes the cost of what a service produced: by tokens for models, by bytes for plain routes.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{ByteUsage, ModelPrice, Quote, Usage};
use farthing_wire::receipt::{CountedUsage, Sold, SoldRoute, SoldTokens};
use serde_json::Value;

use super::produced::{BYTES_PER_TOKEN, Produced};
use super::tokens;
use crate::prices::RouteQuote;

/// The charge of a request, and what its receipt says was sold.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) charge: BaseUnits,
    /// What the receipt says was sold; `None` if nothing was produced.
    pub(crate) sold: Option<Sold>,
}

/// The price of a request, with everything that is needed to compute its charge.
#[derive(Debug)]
pub(crate) enum Tariff {
    Tokens(TokenTariff),
    Bytes(ByteTariff),
}

#[derive(Debug)]
pub(crate) struct TokenTariff {
    model: String,
    price: ModelPrice,
    maximum: BaseUnits,
    bounds: Usage,
    /// The request's body, whose tokens are counted here if the upstream does not count them.
    body: Arc<Value>,
}

#[derive(Debug)]
pub(crate) struct ByteTariff {
    quote: RouteQuote,
    /// A charge that the service itself set instead of the metered one.
    set: Option<BaseUnits>,
}

impl Tariff {
    /// The tariff of a model request. `body` is the body that is sent to the upstream.
    pub(crate) fn of_model(quote: &Quote, body: Arc<Value>) -> Self {
        Self::Tokens(TokenTariff {
            model: quote.model.clone(),
            price: quote.price,
            maximum: quote.maximum,
            bounds: quote.bounds,
            body,
        })
    }

    pub(crate) const fn of_route(quote: RouteQuote) -> Self {
        Self::Bytes(ByteTariff { quote, set: None })
    }

    /// Sets the charge of a plain route, regardless of its bytes; it is limited to the quoted maximum.
    pub(crate) const fn set(&mut self, charge: BaseUnits) {
        if let Self::Bytes(tariff) = self {
            tariff.set = Some(charge);
        }
    }

    /// A cheap estimate of the cost, for charges that a precise one replaces unless the client disconnects or this
    /// process crashes.
    pub(crate) fn glance(&self, produced: Produced) -> BaseUnits {
        match self {
            Self::Tokens(tariff) => tariff.charge(tariff.glance(produced)),
            Self::Bytes(tariff) => tariff.cost(produced).charge,
        }
    }

    /// The precise cost.
    pub(crate) fn cost(&self, produced: Produced) -> Cost {
        match self {
            Self::Tokens(tariff) => tariff.cost(produced),
            Self::Bytes(tariff) => tariff.cost(produced),
        }
    }
}

impl ByteTariff {
    fn cost(&self, produced: Produced) -> Cost {
        let Produced::Bytes(answer_bytes) = produced else {
            let charge = BaseUnits::ZERO;
            return Cost { charge, sold: None };
        };
        let sold = Sold::Route(SoldRoute {
            route: self.quote.route.to_string(),
            usage: ByteUsage {
                request_bytes: self.quote.request_bytes,
                answer_bytes,
            },
            price: self.quote.price,
            set: self.set,
            maximum: self.quote.maximum,
        });
        Cost {
            charge: sold.charge(),
            sold: Some(sold),
        }
    }
}

impl TokenTariff {
    fn charge(&self, usage: Option<Usage>) -> BaseUnits {
        usage.map_or(BaseUnits::ZERO, |usage| {
            self.price.charge(usage, self.maximum)
        })
    }

    fn cost(&self, produced: Produced) -> Cost {
        let usage = self.count(produced);
        let sold = usage.map(|usage| {
            Sold::Tokens(SoldTokens {
                model: self.model.clone(),
                usage: CountedUsage::new(usage, produced.counted_by()),
                price: self.price,
                maximum: self.maximum,
            })
        });
        Cost {
            charge: self.charge(usage),
            sold,
        }
    }

    /// An estimate of the usage: the bound of the input counts bytes, and a quarter of it is close to its tokens.
    fn glance(&self, produced: Produced) -> Option<Usage> {
        let input = self.bounds.prompt_tokens.div_ceil(BYTES_PER_TOKEN);
        produced.with_input(|| input)
    }

    /// The usage, with the input's tokens counted if the upstream did not count them.
    fn count(&self, produced: Produced) -> Option<Usage> {
        produced.with_input(|| {
            let counted = tokens::of_input(&self.body, self.price.tokens_per_image);
            counted.min(self.bounds.prompt_tokens)
        })
    }
}
