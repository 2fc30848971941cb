//! Sells the answers of models, by the token.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::Bytes;
use farthing_wire::pricing::{Endpoint, Quote};
use serde_json::Value;

use super::bill::Bill;
use super::checkout::{Arrived, Checkout};
use super::{Bought, Goods, Price, Service};
use crate::http::error::ApiError;
use crate::http::upstream::{JSON, Upstream, UpstreamRequest};
use crate::metering::{Metering, Tariff};
use crate::metrics::RequestKind;
use crate::prices::{Order, TierQuote};

/// The request header by which a client chooses a tier.
const TIER: &str = "farthing-tier";

/// One model endpoint of the upstream.
pub(crate) struct Models {
    pub(crate) endpoint: Endpoint,
    pub(crate) upstream: Arc<Upstream>,
}

impl Goods for Models {
    type Quote = TierQuote;
    type Free = Quote;

    fn asked(&self) -> RequestKind {
        RequestKind::Model(self.endpoint)
    }

    fn price(&self, checkout: &Checkout, arrived: &Arrived) -> Result<Price<Self>, ApiError> {
        let body: Value = serde_json::from_slice(&arrived.body).map_err(|error| {
            ApiError::invalid_request(format!("the body is not JSON: {error}"), None)
        })?;
        let prices = &checkout.payments.offer().prices;
        let order = prices.order(self.endpoint, &body, tier(&arrived.head.headers)?)?;
        Ok(match order {
            Order::Free(quote) => Price::Free(quote),
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
        let Self { endpoint, upstream } = self;
        let (mut quote, paid) = match bought {
            Bought::Free(quote) => (quote, None),
            Bought::Paid(TierQuote { tier, quote }, accepted) => (quote, Some((tier, accepted))),
        };
        let body = Arc::new(std::mem::take(&mut quote.upstream_body));
        let (bill, tier_headers) = match paid {
            None => (Bill::Free, Vec::new()),
            Some((tier, accepted)) => {
                let tariff = Tariff::of_model(&quote, Arc::clone(&body));
                let tier = checkout.payments.offer().prices.tiers.get(tier);
                let headers = tier.map(|tier| tier.upstream_headers.clone());
                let bill = Bill::paid(*accepted, tariff, checkout);
                (bill, headers.unwrap_or_default())
            }
        };
        let client_headers = head.headers;
        Service {
            bill,
            metering: Metering::of_model(quote.bounds.completion_tokens, !quote.wants_usage),
            // A stream stops when its client disconnects; what was produced until then is charged and stored.
            stops_with_client: quote.stream,
            answer: async move {
                let request = UpstreamRequest {
                    method: Method::POST,
                    path: endpoint.path(),
                    client_headers: &client_headers,
                    content_type: Some(JSON),
                    tier_headers: &tier_headers,
                    body: body.to_string().into(),
                };
                upstream.ask(request).await
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
