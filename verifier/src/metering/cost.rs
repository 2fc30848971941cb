//! Computes the cost of what a service produced: by tokens for models, by bytes for plain routes.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{ByteUsage, ModelPrice, Quote, QuotedTool, RequestBody, Usage};
use farthing_wire::receipt::{CountedBy, CountedUsage, Sold, SoldRoute, SoldTokens, SoldTool};

use super::produced::{BYTES_PER_TOKEN, Count, Produced};
use super::text::{self, MediaTokens};
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
    tools: Vec<QuotedTool>,
    /// The request's body, whose tokens are counted here if the upstream does not count them.
    body: Arc<RequestBody>,
}

#[derive(Debug)]
pub(crate) struct ByteTariff {
    quote: RouteQuote,
    /// A charge that the service itself set instead of the metered one.
    set: Option<BaseUnits>,
}

impl Tariff {
    /// The tariff of a model request. `body` is the client's body.
    pub(crate) fn of_model(quote: &Quote, body: Arc<RequestBody>) -> Self {
        Self::Tokens(TokenTariff {
            model: quote.model.clone(),
            price: quote.price,
            maximum: quote.maximum,
            bounds: quote.bounds,
            tools: quote.tools.clone(),
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
    pub(crate) fn glance(&self, produced: &Produced) -> BaseUnits {
        match self {
            Self::Tokens(tariff) => tariff.charge(tariff.glance(produced)),
            Self::Bytes(tariff) => tariff.cost(produced).charge,
        }
    }

    /// The precise cost.
    pub(crate) fn cost(&self, produced: &Produced) -> Cost {
        match self {
            Self::Tokens(tariff) => tariff.cost(produced),
            Self::Bytes(tariff) => tariff.cost(produced),
        }
    }
}

impl ByteTariff {
    fn cost(&self, produced: &Produced) -> Cost {
        let Produced::Bytes(answer_bytes) = *produced else {
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

    fn cost(&self, produced: &Produced) -> Cost {
        let sold = produced.count().map(|count| {
            let (usage, by) = self.count(count);
            Sold::Tokens(SoldTokens {
                model: self.model.clone(),
                usage: CountedUsage::new(usage, by),
                price: self.price,
                tools: self.calls(count),
                maximum: self.maximum,
            })
        });
        Cost {
            charge: sold.as_ref().map_or(BaseUnits::ZERO, Sold::charge),
            sold,
        }
    }

    /// An estimate of the usage: the bound of the input counts bytes, and a quarter of it is close to its tokens.
    fn glance(&self, produced: &Produced) -> Option<Usage> {
        let input = self.bounds.prompt_tokens.div_ceil(BYTES_PER_TOKEN);
        produced.count().map(|count| count.usage(|| input).0)
    }

    /// The calls of the upstream's tools that are charged: those that were made, at most those that were quoted.
    fn calls(&self, count: &Count) -> Vec<SoldTool> {
        let tools = self.tools.iter().filter_map(|quoted| {
            let made = *count.calls.get(&quoted.tool)?;
            Some(SoldTool {
                tool: quoted.tool.clone(),
                calls: made.min(u64::from(quoted.price.max_calls)),
                per_call: quoted.price.per_call,
            })
        });
        tools.filter(|tool| tool.calls > 0).collect()
    }

    /// The usage, with the input's tokens counted if the upstream did not count them.
    fn count(&self, count: &Count) -> (Usage, CountedBy) {
        let per = |tokens: Option<u32>| tokens.map_or(0, u64::from);
        let media = MediaTokens {
            per_image: per(self.price.tokens_per_image),
            per_audio_kib: per(self.price.tokens_per_audio_kib),
            per_file_kib: per(self.price.tokens_per_file_kib),
        };
        count.usage(|| {
            let counted = text::of_input(self.body.fields(), media);
            counted.min(self.bounds.prompt_tokens)
        })
    }
}
