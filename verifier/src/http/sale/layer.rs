//! A paywall around the handlers of an axum application, as a tower layer: see [`Seller::layer`](crate::Seller::layer).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use farthing_wire::pricing::RoutePrice;
use tower::{Layer, Service};

use super::checkout::Checkout;
use super::plain::{Plain, PlainPrice};
use super::sell;
use crate::http::page;

/// Layer that puts a paywall in front of services: see [`Seller::layer`](crate::Seller::layer).
#[derive(Debug, Clone)]
pub struct PaywallLayer {
    checkout: Arc<Checkout>,
    price: RoutePrice,
}

impl PaywallLayer {
    pub(crate) const fn new(checkout: Arc<Checkout>, price: RoutePrice) -> Self {
        Self { checkout, price }
    }
}

impl<S> Layer<S> for PaywallLayer {
    type Service = Paywall<S>;

    fn layer(&self, inner: S) -> Paywall<S> {
        Paywall {
            checkout: Arc::clone(&self.checkout),
            price: self.price,
            inner,
        }
    }
}

/// A service behind a paywall. The inner service is called once for each request that has paid, with its whole body.
#[derive(Debug, Clone)]
pub struct Paywall<S> {
    checkout: Arc<Checkout>,
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
        // Calls the instance that reported readiness, and leaves a clone in its place.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let (checkout, price) = (Arc::clone(&self.checkout), self.price);
        Box::pin(async move {
            let is_browser = page::prefers_html(request.headers());
            let serve = move |request| async move {
                let Ok(mut response) = inner.call(request).await;
                // Only the client that paid may see the answer, so shared caches must not store it.
                let headers = response.headers_mut();
                headers
                    .entry(CACHE_CONTROL)
                    .or_insert(HeaderValue::from_static("private"));
                response
            };
            let goods = Plain {
                price: PlainPrice::Unlisted(price),
                serve,
            };
            let response = sell(&checkout, goods, request).await;
            Ok(page::for_browser(
                checkout.payments.offer(),
                is_browser,
                response,
            ))
        })
    }
}
