//! A paywall around one service, by the request and by the byte: around a handler of the application that it is a part
//! of, or around the upstream's plain routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::Response;
use farthing_wire::pricing::RoutePrice;
use tower::{Layer, Service};

use super::bill::Bill;
use super::error::ApiError;
use super::replay::replay;
use super::serve::{Sale, counted, serve};
use super::till::{Arrived, Collected, Till, original_uri};
use super::{challenge, page};
use crate::metering::{Metering, Tariff};
use crate::metrics::Asked;
use crate::prices::RouteQuote;

/// Puts a paywall before services: see [`Seller::layer`](crate::Seller::layer).
#[derive(Debug, Clone)]
pub struct PaywallLayer {
    till: Arc<Till>,
    price: RoutePrice,
}

impl PaywallLayer {
    pub(crate) const fn new(till: Arc<Till>, price: RoutePrice) -> Self {
        Self { till, price }
    }
}

impl<S> Layer<S> for PaywallLayer {
    type Service = Paywall<S>;

    fn layer(&self, inner: S) -> Paywall<S> {
        Paywall {
            till: Arc::clone(&self.till),
            price: self.price,
            inner,
        }
    }
}

/// A service behind a paywall. It is called once for a request that has paid, with the whole body of it.
#[derive(Debug, Clone)]
pub struct Paywall<S> {
    till: Arc<Till>,
    price: RoutePrice,
    inner: S,
}

impl<S> Service<Request> for Paywall<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that said that it is ready is the one to call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let (till, price) = (Arc::clone(&self.till), self.price);
        Box::pin(async move {
            let is_browser = page::prefers_html(request.headers());
            let serve = move |request| async move {
                let Ok(mut response) = inner.call(request).await;
                // What was paid for is for whoever paid.
                let headers = response.headers_mut();
                headers
                    .entry(CACHE_CONTROL)
                    .or_insert(HeaderValue::from_static("private"));
                response
            };
            let response = sell(&till, Goods::Priced(price), request, serve).await;
            Ok(page::for_browser(
                till.gateway.offer(),
                is_browser,
                response,
            ))
        })
    }
}

/// What a route is sold for.
pub(crate) enum Goods {
    /// By a price that the route's own name goes with.
    Priced(RoutePrice),
    /// By a price that is listed under a name.
    Listed(Arc<str>, RoutePrice),
    Free,
}

/// Sells one request: `service` is called once it has paid.
pub(crate) async fn sell<F>(
    till: &Arc<Till>,
    goods: Goods,
    request: Request,
    service: impl FnOnce(Request) -> F + Send,
) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let pays = challenge::pays(request.headers());
    let selling = async {
        match take_order(till, goods, request).await {
            Ok(Taken::Sale(sale, request)) => serve(till, *sale, service(request)).await,
            Ok(Taken::Answer(answer)) => answer,
            // Whatever the reason, a client that paid learns that its voucher was not used.
            Err(error) if pays => Err(challenge::refusal(&till.gateway, error)),
            Err(error) => Err(error),
        }
    };
    counted(till, Asked::Route, selling).await
}

/// What a request leads to.
enum Taken {
    /// It is served.
    Sale(Box<Sale>, Request),
    /// It was asked before, and answered.
    Answer(Result<Response, ApiError>),
}

/// Everything before the service: nothing is changed unless the payment is accepted.
async fn take_order(till: &Till, goods: Goods, request: Request) -> Result<Taken, ApiError> {
    let arrived = till.take_in(request).await?;
    let length = arrived.body.len() as u64;
    let quote = match goods {
        Goods::Free => None,
        Goods::Priced(price) => Some(RouteQuote::new(name(&arrived.head), price, length)?),
        Goods::Listed(name, price) => Some(RouteQuote::new(name, price, length)?),
    };
    let bound = quote.as_ref().and_then(|quote| quote.price.answer);
    let bill = match quote {
        None => Bill::Free,
        Some(quote) => match till.collect(&arrived, std::slice::from_ref(&quote)).await? {
            Collected::Again(again) => return Ok(Taken::Answer(replay(&till.issuer, again))),
            Collected::Paid(accepted, request) => {
                Bill::paid(accepted, Tariff::of_route(quote), request, till)
            }
        },
    };
    let Arrived {
        head, body, place, ..
    } = arrived;
    let sale = Sale {
        asked: Asked::Route,
        bill,
        metering: Metering::of_route(bound.map(|answer| answer.max_bytes)),
        stops_with_client: false,
        place,
    };
    let request = Request::from_parts(head, Body::from(body));
    Ok(Taken::Sale(Box::new(sale), request))
}

/// The name of an application's route, as a price is listed: with a star for each parameter of its path, where that is
/// one part of it. Otherwise it is the path that was asked for.
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
