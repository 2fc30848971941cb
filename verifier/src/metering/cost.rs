//! From what a service produced to what it costs: by tokens for models, by bytes for plain routes.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{ByteUsage, ModelPrice, Quote, Usage};
use farthing_wire::receipt::{CountedUsage, Sold, SoldRoute, SoldTokens};
use serde_json::Value;

use super::produced::{BYTES_PER_TOKEN, Produced};
use super::tokens;
use crate::prices::RouteQuote;

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) charge: BaseUnits,
    /// What a receipt says of the service, if there was one.
    pub(crate) sold: Option<Sold>,
}

/// The price of a request, with all that a charge follows from.
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
    /// What was asked, to be counted if the upstream does not.
    body: Arc<Value>,
}

#[derive(Debug)]
pub(crate) struct ByteTariff {
    quote: RouteQuote,
    /// What the service itself set instead of the price.
    set: Option<BaseUnits>,
}

impl Tariff {
    /// `body` is what is sent upstream.
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

    /// Sets what a plain route costs, whatever came and went; never more than its maximum.
    pub(crate) const fn set(&mut self, charge: BaseUnits) {
        if let Self::Bytes(tariff) = self {
            tariff.set = Some(charge);
        }
    }

    /// What it costs, at a glance. For charges that are replaced by a better one, unless the client or this process is
    /// gone.
    pub(crate) fn glance(&self, produced: Produced) -> BaseUnits {
        match self {
            Self::Tokens(tariff) => tariff.charge(tariff.glance(produced)),
            Self::Bytes(tariff) => tariff.cost(produced).charge,
        }
    }

    /// What it costs.
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

    /// What was used: the bound counts bytes, and a quarter of it is near.
    fn glance(&self, produced: Produced) -> Option<Usage> {
        let input = self.bounds.prompt_tokens.div_ceil(BYTES_PER_TOKEN);
        produced.with_input(|| input)
    }

    /// What was used, counted.
    fn count(&self, produced: Produced) -> Option<Usage> {
        produced.with_input(|| {
            let counted = tokens::of_input(&self.body, self.price.tokens_per_image);
            counted.min(self.bounds.prompt_tokens)
        })
    }
}
