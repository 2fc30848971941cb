//! One sale, whatever is sold: take the request in, quote it, collect the payment, serve, bill, or refuse.
//!
//! [`models`] and [`plain`] are what is sold, [`layer`] sells an application's handlers as plain routes. What happens to
//! a request that asks for them stands here, once: [`checkout`] takes in and collects, [`serve`](mod@serve) runs the
//! service and passes on what it gives, [`bill`] charges.

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
use crate::metrics::Asked;
use crate::payment::{Accepted, Admission, Replay};
use crate::prices::Quoted;
use bill::Bill;
use checkout::{Arrived, Checkout};
use replay::replay;
use serve::{Sale, counted, serve};

/// What is sold: how a request for it is priced, and what serves one that may be served.
pub(crate) trait Goods: Sized {
    /// A price that is paid.
    type Quote: Quoted;
    /// What is known of a request that costs nothing.
    type Free;

    /// How requests for it are counted.
    fn asked(&self) -> Asked;

    /// Prices a request.
    ///
    /// # Errors
    /// [`ApiError`] if it is not sold, or has no bound.
    fn price(&self, checkout: &Checkout, arrived: &Arrived) -> Result<Price<Self>, ApiError>;

    /// Makes the service, which begins when it is polled.
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

/// A request that may be served.
pub(crate) enum Bought<G: Goods> {
    Free(G::Free),
    /// The quote that was paid, with its payment.
    Paid(G::Quote, Accepted),
}

/// What serves a request, and what is owed for it.
pub(crate) struct Service<F> {
    pub(crate) bill: Bill,
    pub(crate) metering: Metering,
    /// Whether it ends with its client even if the client may retry, as streams do.
    pub(crate) stops_with_client: bool,
    pub(crate) answer: F,
}

/// What a request leads to.
enum Order<F> {
    /// It is served.
    Sale(Box<Sale>, F),
    /// It was served before, with the same key.
    Replay(Replay),
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
            Ok(Order::Replay(earlier)) => replay(&checkout.issuer, earlier),
            // Whatever the reason, a client that paid learns that its voucher was not used.
            Err(error) if pays => Err(challenge::refusal(&checkout.payments, error)),
            Err(error) => Err(error),
        }
    };
    counted(checkout, asked, selling).await
}

/// Everything before the service: nothing is changed unless the payment is accepted.
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
            Admission::Replay(earlier) => return Ok(Order::Replay(earlier)),
            Admission::Accepted(accepted) => {
                Bought::Paid(quotes.swap_remove(accepted.chosen), accepted)
            }
        },
    };
    let Arrived {
        head, body, place, ..
    } = arrived;
    let Service {
        bill,
        metering,
        stops_with_client,
        answer,
    } = goods.service(checkout, bought, head, body);
    let sale = Sale {
        asked,
        bill,
        metering,
        stops_with_client,
        place,
    };
    Ok(Order::Sale(Box::new(sale), answer))
}
