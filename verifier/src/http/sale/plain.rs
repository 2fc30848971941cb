//! Sells plain routes and handlers of an application, by the request and by the byte.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use farthing_wire::pricing::RoutePrice;

use super::bill::Bill;
use super::checkout::{Arrived, Checkout, original_uri};
use super::{Bought, Goods, Price, Service, ServiceKind};
use crate::http::error::ApiError;
use crate::http::upstream::{Upstream, UpstreamRequest};
use crate::metering::{Metering, Tariff};
use crate::metrics::RequestKind;
use crate::prices::RouteQuote;

/// The price of a plain route.
pub(crate) enum PlainPrice {
    /// A price of an application's route, which is named by its method and path.
    Unlisted(RoutePrice),
    /// A price that the configuration lists under a name.
    Listed(Arc<str>, RoutePrice),
    Free,
}

/// A plain route that is sold. `serve` answers a request, which it gets with its whole body.
pub(crate) struct Plain<S> {
    pub(crate) price: PlainPrice,
    pub(crate) serve: S,
}

impl<S, F> Goods for Plain<S>
where
    S: FnOnce(Request) -> F,
    F: Future<Output = Response> + Send + 'static,
{
    type Quote = RouteQuote;
    type Free = ();

    fn asked(&self) -> RequestKind {
        RequestKind::Route
    }

    fn price(&self, _: &Checkout, arrived: &Arrived) -> Result<Price<Self>, ApiError> {
        let length = arrived.body.len() as u64;
        let (name, price) = match &self.price {
            PlainPrice::Free => return Ok(Price::Free(())),
            PlainPrice::Unlisted(price) => (name(&arrived.head), price),
            PlainPrice::Listed(name, price) => (Arc::clone(name), price),
        };
        let quote = RouteQuote::new(name, *price, length)?;
        Ok(Price::Paid(vec![quote]))
    }

    fn service(
        self,
        checkout: &Checkout,
        bought: Bought<Self>,
        head: Parts,
        body: Bytes,
    ) -> Service<impl Future<Output = Response> + Send + 'static> {
        let (bill, bound) = match bought {
            Bought::Free(()) => (Bill::Free, None),
            Bought::Paid(quote, accepted) => {
                let bound = quote.price.answer.map(|answer| answer.max_bytes);
                let tariff = Tariff::of_route(quote);
                (Bill::paid(*accepted, tariff, checkout), bound)
            }
        };
        Service {
            bill,
            metering: Metering::of_route(bound),
            kind: ServiceKind::default(),
            answer: (self.serve)(Request::from_parts(head, Body::from(body))),
        }
    }
}

/// Passes a request on to the upstream.
pub(crate) async fn pass_on(upstream: Arc<Upstream>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // The body was read completely before, so that no further limit is needed.
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let request = UpstreamRequest {
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()),
        client_headers: &head.headers,
        content_type: head.headers.get(CONTENT_TYPE).cloned(),
        tier_headers: &[],
        method: head.method,
        body: body.unwrap_or_default(),
    };
    upstream.ask(request).await
}

/// The name of an application's route in a price list: its method and path, with `*` for each path parameter that
/// stands for a single segment. A route with a wildcard parameter is named by the path that was requested.
fn name(head: &Parts) -> Arc<str> {
    let path = original_uri(head).path();
    let matched = head
        .extensions
        .get::<MatchedPath>()
        .map(MatchedPath::as_str);
    let matched = matched.filter(|matched| matched.contains('{') && !matched.contains("{*"));
    let path = match matched {
        Some(matched) => {
            let parts = matched.split('/');
            let parts = parts.map(|part| if part.contains('{') { "*" } else { part });
            parts.collect::<Vec<_>>().join("/")
        }
        None => path.to_owned(),
    };
    format!("{} {path}", head.method).into()
}
