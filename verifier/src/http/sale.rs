//! One sale, from request to charge: read the request, quote its price, accept the payment, serve it and charge for it,
//! or refuse it.
//!
//! [`models`] and [`plain`] define what is sold; [`layer`] sells an application's handlers as plain routes. The steps
//! of a sale are the same for all of them: [`checkout`] reads the request and collects the payment,
//! [`serve`](mod@serve) runs the service and passes its answer on, [`bill`] charges.

mod asking;
pub(crate) mod bill;
pub(crate) mod checkout;
mod event_stream;
pub(crate) mod layer;
pub(crate) mod models;
pub(crate) mod plain;
pub(crate) mod replay;
pub(crate) mod serve;
mod stream;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::error::ApiError;
use super::x402::challenge;
use crate::metering::Metering;
use crate::metrics::RequestKind;
use crate::payment::{Accepted, Admission, Replay};
use crate::prices::Quoted;
use bill::Bill;
use checkout::{Arrived, Checkout};
use replay::replay;
use serve::{Sale, counted, serve};

/// Something that is sold: how a request for it is priced, and the service that answers an accepted request.
pub(crate) trait Goods: Sized {
    /// The quote of a request that must be paid for.
    type Quote: Quoted;
    /// What the service needs to know of a free request.
    type Free;

    /// The label under which requests for it are counted in the metrics.
    fn asked(&self) -> RequestKind;

    /// Prices a request.
    ///
    /// # Errors
    /// [`ApiError`] if the request asks for something that is not sold, or its cost has no upper bound.
    fn price(&self, checkout: &Checkout, arrived: &Arrived) -> Result<Price<Self>, ApiError>;

    /// Makes the service's future, which does nothing until it is polled.
    fn service(
        self,
        checkout: &Checkout,
        bought: Bought<Self>,
        head: Parts,
        body: Bytes,
    ) -> Service<impl Future<Output = Response> + Send + 'static>;
}

/// The price of a request.
pub(crate) enum Price<G: Goods> {
    Free(G::Free),
    /// One quote for each way to buy it.
    Paid(Vec<G::Quote>),
}

/// A request that may be served: it is free, or its payment was accepted.
pub(crate) enum Bought<G: Goods> {
    Free(G::Free),
    /// The quote that was paid, with its payment.
    Paid(G::Quote, Box<Accepted>),
}

/// The service of one request, with its bill and its metering.
pub(crate) struct Service<F> {
    pub(crate) bill: Bill,
    pub(crate) metering: Metering,
    pub(crate) kind: ServiceKind,
    pub(crate) answer: F,
}

/// How a service answers, and what becomes of it when its client disconnects.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceKind {
    /// Whether a stream of events was asked for.
    pub(crate) streams: bool,
    /// Whether it is finished when its client disconnects, even if the client cannot retry.
    pub(crate) finishes_alone: bool,
    /// The most output tokens that are estimated for a client that leaves.
    pub(crate) most_estimated: u64,
    /// The model whose pace is measured, and estimated for clients that disconnect; `None` for services without one.
    pub(crate) model: Option<String>,
}

/// What a request leads to.
enum Order<F> {
    /// The request is to be served.
    Sale(Box<Sale>, F),
    /// The same request was already served with the same idempotency key; its stored answer is replayed.
    Replay(Box<Replay>),
}

/// Sells one request.
pub(crate) async fn sell<G: Goods>(
    checkout: &Arc<Checkout>,
    goods: G,
    request: Request,
) -> Response {
    let asked = goods.asked();
    let pays = challenge::pays(request.headers());
    let selling = async {
        match order(checkout, goods, request).await {
            Ok(Order::Sale(sale, answer)) => serve(checkout, *sale, answer).await,
            Ok(Order::Replay(earlier)) => replay(&checkout.issuer, *earlier),
            // Tells a client that sent a payment that its voucher was not used, whatever the error is.
            Err(error) if pays => Err(challenge::refusal(&checkout.payments, error)),
            Err(error) => Err(error),
        }
    };
    counted(checkout, asked, selling).await
}

/// Does every step before the service. Nothing is changed unless the payment is accepted.
async fn order<G: Goods>(
    checkout: &Checkout,
    goods: G,
    request: Request,
) -> Result<Order<impl Future<Output = Response> + Send + 'static>, ApiError> {
    let arrived = checkout.take_in(request).await?;
    let asked = goods.asked();
    let bought = match goods.price(checkout, &arrived)? {
        Price::Free(free) => Bought::Free(free),
        Price::Paid(mut quotes) => match checkout.collect(&arrived, &quotes).await? {
            Admission::Replay(earlier) => return Ok(Order::Replay(Box::new(earlier))),
            Admission::Accepted(accepted) => {
                Bought::Paid(quotes.swap_remove(accepted.chosen), Box::new(accepted))
            }
        },
    };
    let Arrived {
        head, body, place, ..
    } = arrived;
    let Service {
        bill,
        metering,
        kind,
        answer,
    } = goods.service(checkout, bought, head, body);
    let sale = Sale {
        asked,
        bill,
        metering,
        kind,
        place,
    };
    Ok(Order::Sale(Box::new(sale), answer))
}
