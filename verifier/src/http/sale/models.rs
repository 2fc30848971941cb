//! Sells the answers of models, by the token.

use std::sync::Arc;

use axum::http::header::CONTENT_ENCODING;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use farthing_wire::pricing::{Endpoint, Quote, RequestBody};
use serde_json::Value;

use super::bill::Bill;
use super::checkout::{Arrived, Checkout};
use super::{Bought, Goods, Price, Service, ServiceKind};
use crate::http::error::ApiError;
use crate::http::upstream::{JSON, UpstreamRequest, Upstreams};
use crate::metering::{Metering, Tariff};
use crate::metrics::RequestKind;
use crate::prices::{ModelQuote, Order, TierQuote, WhenClientLeaves};

/// The request header by which a client chooses a tier.
const TIER: &str = "farthing-tier";

/// One model endpoint of the upstream.
pub(crate) struct Models {
    pub(crate) endpoint: Endpoint,
    pub(crate) upstreams: Upstreams,
}

impl Goods for Models {
    type Quote = TierQuote;
    type Free = ModelQuote;

    fn asked(&self) -> RequestKind {
        RequestKind::Model(self.endpoint)
    }

    fn price(&self, checkout: &Checkout, arrived: &Arrived) -> Result<Price<Self>, ApiError> {
        require_plain(&arrived.head.headers)?;
        let body = Arc::new(RequestBody::parse(arrived.body.clone())?);
        let prices = &checkout.payments.offer().prices;
        let order = prices.order(self.endpoint, &body, tier(&arrived.head.headers)?)?;
        Ok(match order {
            Order::Free(quote) => Price::Free(*quote),
            Order::Paid(quotes) => Price::Paid(quotes),
        })
    }

    fn service(
        self,
        checkout: &Checkout,
        bought: Bought<Self>,
        head: Parts,
        _: Bytes,
    ) -> Service<impl Future<Output = Response> + Send + 'static> {
        let Self {
            endpoint,
            upstreams,
        } = self;
        let (model, paid) = match bought {
            Bought::Free(model) => (model, None),
            Bought::Paid(TierQuote { tier, model }, accepted) => (model, Some((tier, accepted))),
        };
        let ModelQuote {
            quote,
            body: asked,
            upstream,
            when_client_leaves,
        } = model;
        let upstream = upstreams.at(upstream);
        let strips = upstream
            .as_ref()
            .is_some_and(|upstream| upstream.reports_usage_continuously());
        let reports_one = upstream
            .as_ref()
            .is_some_and(|upstream| upstream.reports_one_choice());
        let believes_reports = !(reports_one && asks_for_several(&asked));
        let body = asked.with(&quote.changes);
        let (bill, tier_headers) = match paid {
            None => (Bill::Free, Vec::new()),
            Some((tier, accepted)) => {
                let tariff = Tariff::of_model(&quote, asked);
                let tier = checkout.payments.offer().prices.tiers.get(tier);
                let headers = tier.map(|tier| tier.upstream_headers.clone());
                let bill = Bill::paid(*accepted, tariff, checkout);
                (bill, headers.unwrap_or_default())
            }
        };
        let client_headers = head.headers;
        Service {
            bill,
            metering: Metering::of_model(
                most_said(endpoint, &quote),
                quote.usage,
                strips,
                believes_reports,
            ),
            kind: ServiceKind {
                streams: quote.stream,
                most_estimated: quote.price.default_output(),
                finishes_alone: when_client_leaves == WhenClientLeaves::Finish,
                model: Some(quote.model),
            },
            answer: async move {
                let request = UpstreamRequest {
                    method: Method::POST,
                    path: endpoint.path(),
                    client_headers: &client_headers,
                    content_type: Some(JSON),
                    tier_headers: &tier_headers,
                    body,
                };
                match upstream {
                    Some(upstream) => upstream.ask(request).await,
                    None => ApiError::upstream_unreachable().into_response(),
                }
            },
        }
    }
}

/// The tier that a request chooses.
fn tier(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(TIER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(tier), None) => tier
            .to_str()
            .map(Some)
            .map_err(|_| ApiError::invalid_request("the tier is not ASCII text", None)),
        (Some(_), Some(_)) => {
            let message = "give the Farthing-Tier header once";
            Err(ApiError::invalid_request(message, None))
        }
    }
}

/// Whether a body asks for several choices, or has several prompts.
fn asks_for_several(body: &RequestBody) -> bool {
    let fields = body.fields();
    let choices = fields.get("n").and_then(Value::as_f64);
    let prompts = fields.get("prompt").and_then(Value::as_array);
    choices.is_some_and(|choices| choices > 1.0) || prompts.is_some_and(|prompts| prompts.len() > 1)
}

/// The most tokens of the answer's text. A completion may repeat its prompt.
fn most_said(endpoint: Endpoint, quote: &Quote) -> u64 {
    let repeated = match endpoint {
        Endpoint::Completions => quote.bounds.prompt_tokens,
        _ => 0,
    };
    quote.bounds.completion_tokens + repeated
}

/// Refuses a body that is compressed: its price could not be computed without unpacking what nobody has paid for.
fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoding = headers.get(CONTENT_ENCODING);
    match encoding {
        Some(encoding) if encoding != "identity" => Err(ApiError::body_encoded()),
        _ => Ok(()),
    }
}
