//! From an accepted request to its answer: the service runs while the reservation becomes durable, and what it gives is
//! counted, charged and passed on.
//!
//! A stream of server-sent events passes as it comes ([`super::stream`]). Everything else leaves as a whole, once its
//! charge is durable, because the receipt is in its header.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use farthing_protocol::BaseUnits;
use futures_util::{FutureExt, StreamExt};

use super::bill::Bill;
use super::checkout::{Checkout, Place};
use super::event_stream::is_event_stream_type;
use super::replay::kept;
use super::stream::relay;
use crate::crash_point::CrashPoint;
use crate::http::error::ApiError;
use crate::metering::{Metering, Produced};
use crate::metrics::{Asked, Counting, Outcome, Served};

/// What a request is charged, set by the service itself as an extension of its response: at most the maximum that was
/// quoted, whatever came and went. Only a success is ever charged, and only routes that have a price of their own know
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged(pub BaseUnits);

/// A request that may be served.
pub(crate) struct Sale {
    pub(crate) asked: Asked,
    pub(crate) bill: Bill,
    pub(crate) metering: Metering,
    /// Whether the service ends with its client even if that may ask again, as streams do.
    pub(crate) stops_with_client: bool,
    pub(crate) place: Place,
}

/// Sells until it is answered or cut off, and counts how it ended. Dropping it stops the service and charges what a client
/// would owe that went away.
pub(crate) async fn counted(
    checkout: &Checkout,
    asked: Asked,
    selling: impl Future<Output = Result<Response, ApiError>>,
) -> Response {
    let counting = checkout.requests.begin(asked);
    let outcome = tokio::select! {
        outcome = selling => outcome,
        () = checkout.cut_off.cancelled() => Err(ApiError::shutting_down()),
    };
    count_answer(counting, outcome.unwrap_or_else(ApiError::into_response))
}

/// Counts an answer by the outcome that it carries.
pub(crate) fn count_answer(counting: Counting, mut response: Response) -> Response {
    if let Some(outcome) = response.extensions_mut().remove() {
        counting.ended(outcome);
    }
    response
}

/// Runs the service for a sale, and answers with what it gives.
///
/// # Errors
/// [`ApiError`], with a receipt if there is one.
pub(crate) async fn serve(
    checkout: &Arc<Checkout>,
    sale: Sale,
    service: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, ApiError> {
    if sale.stops_with_client || !sale.bill.is_repeatable() {
        return run(checkout, sale, service).await;
    }
    // Whoever may ask again finds the answer, so it is worth having even if nobody waits for it.
    let cut_off = checkout.cut_off.clone();
    let serving = checkout.tasks.spawn({
        let checkout = Arc::clone(checkout);
        async move {
            tokio::select! {
                outcome = run(&checkout, sale, service) => outcome,
                () = cut_off.cancelled() => Err(ApiError::shutting_down()),
            }
        }
    });
    serving.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request panicked");
        Err(ApiError::failed())
    })
}

async fn run(
    checkout: &Checkout,
    sale: Sale,
    service: impl Future<Output = Response>,
) -> Result<Response, ApiError> {
    let Sale {
        asked,
        mut bill,
        metering,
        place,
        ..
    } = sale;
    if matches!(bill, Bill::Paid(_)) {
        // Others that wait to be verified go first, so that an upstream is asked by all of them together and wakes once
        // (ADR 27).
        tokio::task::yield_now().await;
    }
    // From here on the service works; a client that goes away pays for the input.
    bill.if_dropped(metering.begun());
    let asked_at = Instant::now();
    let served = AssertUnwindSafe(service).catch_unwind().await;
    let mut response = served.unwrap_or_else(|_| {
        tracing::error!("a service panicked");
        ApiError::failed().into_response()
    });
    // An error of ours means that the service did not answer.
    let failure: Option<Outcome> = response.extensions_mut().remove();
    if failure.is_none() {
        checkout.requests.answered_after(asked_at.elapsed());
    }
    CrashPoint::UpstreamAnswered.pass();
    if let Some(Charged(charge)) = response.extensions_mut().remove() {
        bill.set_charge(charge);
    }
    // Of the body as the service made it.
    response.headers_mut().remove(CONTENT_LENGTH);
    if response.status().is_success() && is_event_stream_type(response.headers()) {
        return relay(checkout, response, asked, bill, metering, place).await;
    }
    let outcome = failure.unwrap_or(Outcome::Served(if response.status().is_success() {
        bill.served()
    } else {
        Served::UpstreamError
    }));
    let mut response = pass_whole(checkout, response, bill, &metering).await?;
    response.extensions_mut().insert(outcome);
    Ok(response)
}

/// The charge is queued without waiting for the reservation's commit: the queue keeps their order.
async fn pass_whole(
    checkout: &Checkout,
    response: Response,
    mut bill: Bill,
    metering: &Metering,
) -> Result<Response, ApiError> {
    let (mut head, body) = response.into_parts();
    let read = read_whole(checkout, body, |length| {
        bill.if_dropped(metering.so_far(length));
    });
    let body = match read.await {
        Ok(body) => body,
        Err(error) => return Err(bill.fail(error).await),
    };
    let produced = if head.status.is_success() {
        match metering.of_answer(&body) {
            Ok(produced) => produced,
            Err(error) => return Err(bill.fail(error.into()).await),
        }
    } else {
        // The service failed, whatever its body says.
        Produced::Nothing
    };
    let is_kept = bill.is_repeatable() && body.len() <= checkout.limits.max_stored_answer_bytes;
    let answer = is_kept.then(|| kept(head.status, &head.headers, &body, true));
    let payment = bill.settle_with_headers(produced, answer).await?;
    payment.write_to(&mut head.headers);
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Reads a whole answer, bounded in length and in pauses. `progress` is told how long it is so far.
async fn read_whole(
    checkout: &Checkout,
    body: Body,
    mut progress: impl FnMut(u64),
) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut body = BytesMut::new();
    loop {
        let next = AssertUnwindSafe(chunks.next()).catch_unwind();
        let chunk = match tokio::time::timeout(checkout.limits.idle_timeout, next).await {
            Ok(Ok(Some(Ok(chunk)))) => chunk,
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Ok(Some(Err(_))) | Err(_)) => {
                let message = "the answer broke off before its end: try again";
                return Err(ApiError::upstream_invalid(message));
            }
            Err(_) => return Err(ApiError::upstream_timeout()),
        };
        let limit = checkout.limits.max_answer_bytes;
        if body.len() + chunk.len() > limit {
            let message = format!("the answer is longer than {limit} bytes");
            return Err(ApiError::upstream_invalid(message));
        }
        body.extend_from_slice(&chunk);
        progress(body.len() as u64);
    }
}
