//! Serves an accepted request: the service runs while the reservation becomes durable, and its answer is metered,
//! charged and passed on.
//!
//! A stream of server-sent events is passed on as it arrives ([`super::stream`]). Every other answer is sent as a whole
//! once its charge is durable, because its header has the receipt.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use farthing_protocol::BaseUnits;
use futures_util::{FutureExt, StreamExt, stream};

use super::ServiceKind;
use super::asking::Asking;
use super::bill::Bill;
use super::checkout::{Checkout, Place};
use super::event_stream::is_event_stream_type;
use super::replay::kept;
use super::stream::relay;
use crate::crash_point::CrashPoint;
use crate::http::error::ApiError;
use crate::metering::{Metering, Produced};
use crate::metrics::{Counting, Outcome, RequestKind, Served};

/// The charge of a request, which a service may set as an extension of its response. It replaces the metered charge and
/// is limited to the quoted maximum. Only successful answers are charged, and only plain routes heed it, not models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged(pub BaseUnits);

/// An accepted or free request, with what is needed to serve and charge it.
pub(crate) struct Sale {
    pub(crate) asked: RequestKind,
    pub(crate) bill: Bill,
    pub(crate) metering: Metering,
    pub(crate) kind: ServiceKind,
    pub(crate) place: Place,
}

/// Runs a sale until it is answered or cut off by the shutdown, and counts its outcome. Dropping the future stops the
/// service and charges as after a client's disconnect.
pub(crate) async fn counted(
    checkout: &Checkout,
    asked: RequestKind,
    selling: impl Future<Output = Result<Response, ApiError>>,
) -> Response {
    let counting = checkout.requests.begin(asked);
    let outcome = tokio::select! {
        outcome = selling => outcome,
        () = checkout.cut_off.cancelled() => Err(ApiError::shutting_down()),
    };
    count_answer(counting, outcome.unwrap_or_else(ApiError::into_response))
}

/// Counts an answer by the [`Outcome`] in its extensions.
pub(crate) fn count_answer(counting: Counting, mut response: Response) -> Response {
    if let Some(outcome) = response.extensions_mut().remove() {
        counting.ended(outcome);
    }
    response
}

/// Runs the service of a sale and returns its answer.
///
/// # Errors
/// [`ApiError`], with a receipt if there is one.
pub(crate) async fn serve(
    checkout: &Arc<Checkout>,
    sale: Sale,
    service: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, ApiError> {
    // A stream stops when its client disconnects; what was produced until then is charged and stored. Any other answer is
    // stored for a retry, so its service runs to its end.
    let is_finished = sale.kind.finishes_alone || (!sale.kind.streams && sale.bill.is_repeatable());
    if !is_finished {
        return run(checkout, sale, service).await;
    }
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
        tracing::error!(%error, "panic in the task of a request");
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
        kind,
        place,
    } = sale;
    if matches!(bill, Bill::Paid(_)) {
        // Lets requests that wait to be verified go first, so that all of them are sent to the upstream together and it
        // wakes up once (ADR 27).
        tokio::task::yield_now().await;
    }
    // From here on the service works: if the client disconnects, the input is charged.
    bill.if_dropped(&metering.begun());
    let asking = Asking::new(checkout, kind);
    let served = {
        let _watch = asking.watch(&mut bill, &metering);
        AssertUnwindSafe(service).catch_unwind().await
    };
    let mut response = served.unwrap_or_else(|_| {
        tracing::error!("panic in the service of a request");
        ApiError::failed().into_response()
    });
    // An outcome is set only on errors that this server made, which means that the service did not answer.
    let failure: Option<Outcome> = response.extensions_mut().remove();
    if failure.is_none() {
        checkout.requests.answered_after(asking.elapsed());
    }
    CrashPoint::UpstreamAnswered.pass();
    if let Some(Charged(charge)) = response.extensions_mut().remove() {
        bill.set_charge(charge);
    }
    // This is the length of the service's body, which may differ from the body that is sent.
    response.headers_mut().remove(CONTENT_LENGTH);
    if response.status().is_success() && failure.is_none() {
        let is_stream;
        (is_stream, response) = told_apart(checkout, response, asking.streams()).await;
        if is_stream {
            return relay(checkout, response, asked, bill, metering, place, asking).await;
        }
    }
    let outcome = failure.unwrap_or(Outcome::Served(if response.status().is_success() {
        bill.served()
    } else {
        Served::UpstreamError
    }));
    if !response.status().is_success() {
        // A failed service is not charged, also if its client leaves before the end of the error.
        bill.if_dropped(&Produced::Nothing);
    }
    let mut response = pass_whole(checkout, response, bill, &metering, &asking).await?;
    response.extensions_mut().insert(outcome);
    Ok(response)
}

/// Reads a whole answer, charges for it and passes it on. The charge is queued without waiting for the reservation's
/// commit: the queue keeps their order.
async fn pass_whole(
    checkout: &Checkout,
    response: Response,
    mut bill: Bill,
    metering: &Metering,
    asking: &Asking,
) -> Result<Response, ApiError> {
    let (mut head, body) = response.into_parts();
    let read = if head.status.is_success() {
        let mut watch = asking.watch(&mut bill, metering);
        read_whole(checkout, body, |length| watch.has_read(length)).await
    } else {
        read_whole(checkout, body, |_| ()).await
    };
    let body = match read {
        Ok(body) => body,
        Err(error) => return Err(bill.fail(error).await),
    };
    let produced = if head.status.is_success() {
        match metering.of_answer(&body) {
            Ok(produced) => produced,
            Err(error) => return Err(bill.fail(error.into()).await),
        }
    } else {
        // A failed service is not charged, whatever its body contains.
        Produced::Nothing
    };
    asking.answered(&produced);
    let is_kept = bill.is_repeatable() && body.len() <= checkout.limits.max_stored_answer_bytes;
    let answer = is_kept.then(|| kept(head.status, &head.headers, &body, true));
    let payment = bill.settle_with_headers(produced, answer).await?;
    payment.write_to(&mut head.headers);
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Whether a successful answer is a stream of events, which one with another content type may be if a stream was asked
/// for: then its first bytes tell. The answer of a stream says so afterwards.
async fn told_apart(
    checkout: &Checkout,
    mut response: Response,
    stream_was_asked_for: bool,
) -> (bool, Response) {
    if is_event_stream_type(response.headers()) {
        return (true, response);
    }
    if !stream_was_asked_for {
        return (false, response);
    }
    let body = std::mem::take(response.body_mut());
    let mut chunks = body.into_data_stream();
    let mut first = Vec::new();
    let mut begins_with = None;
    while begins_with.is_none() {
        let next = AssertUnwindSafe(chunks.next()).catch_unwind();
        match tokio::time::timeout(checkout.limits.idle_timeout, next).await {
            Ok(Ok(Some(chunk))) => {
                let text = chunk.as_ref().map(|chunk| chunk.trim_ascii_start());
                begins_with = text.map_or(Some(b'{'), |text| text.first().copied());
                first.push(chunk);
            }
            _ => break,
        }
    }
    let is_stream = begins_with.is_some_and(|byte| !matches!(byte, b'{' | b'[' | b'<'));
    *response.body_mut() = Body::from_stream(stream::iter(first).chain(chunks));
    if is_stream {
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    (is_stream, response)
}

/// Reads a whole answer, with limits on its length and on pauses. `progress` is called with the length so far.
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
