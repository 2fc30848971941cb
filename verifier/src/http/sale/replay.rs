//! Replays the stored answer of an earlier request with the same idempotency key, with its original receipt.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use farthing_wire::idempotency::IDEMPOTENT_REPLAYED;
use farthing_wire::x402::SettleResponse;

use super::event_stream::{event_stream_receipt, is_event_stream_type};
use crate::http::error::ApiError;
use crate::http::x402::payment_headers::PaymentHeaders;
use crate::http::x402::receipt::{FinalCharge, receipt};
use crate::metering::end_of_events;
use crate::metrics::{Outcome, Served};
use crate::payment::Replay;
use crate::receipts::{Charge, Draft, Issuer};
use crate::record::AnswerRecord;

/// Header that marks an answer as replayed.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static(IDEMPOTENT_REPLAYED);

/// Event that ends the replay of an incomplete stream. The replay has only the events that had arrived completely, and
/// this event says that the rest is missing.
const INCOMPLETE: &str = concat!(
    "data: {\"error\":{\"code\":\"answer_incomplete\",\"message\":\"the stream was interrupted: this is the ",
    "part of the answer that was produced, and only that was charged\",\"type\":\"server_error\",",
    "\"param\":null}}\n\n"
);

/// The record of an answer, to be stored for idempotent retries.
pub(crate) fn kept(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    is_whole: bool,
) -> AnswerRecord {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    AnswerRecord {
        status: status.as_u16(),
        headers: headers.collect(),
        body: body.to_vec(),
        is_whole,
    }
}

/// Answers a retry with the stored answer and receipt of the first request.
///
/// # Errors
/// [`ApiError`] with the receipt, if the answer is not stored.
pub(crate) fn replay(issuer: &Issuer, replay: Replay) -> Result<Response, ApiError> {
    let Replay {
        outcome,
        remembered,
        payer,
    } = replay;
    let charge = Charge {
        request: Some(outcome.request.digest),
        charged: outcome.charged,
        charged_total: outcome.charged_total,
    };
    let draft = remembered.receipt.as_ref().map(Draft::from);
    let end = FinalCharge {
        charged: outcome.charged,
        receipt: issuer.issue(&payer, &charge, draft),
    };
    let receipt = receipt(
        issuer.network(),
        &payer.key,
        &outcome.lane_then(),
        Some(end),
    );
    match remembered.answer {
        Some(answer) => Ok(again(answer, &receipt)),
        None => Err(ApiError::answer_not_kept().with_headers(PaymentHeaders::receipt(&receipt))),
    }
}

fn again(answer: AnswerRecord, receipt: &SettleResponse) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        ) {
            headers.append(name, value);
        }
    }
    let mut body = answer.body;
    if is_event_stream_type(&headers) {
        if !answer.is_whole {
            body.truncate(end_of_events(&body));
            body.extend_from_slice(INCOMPLETE.as_bytes());
        }
        body.extend_from_slice(&event_stream_receipt(receipt, &body));
    }
    PaymentHeaders::receipt(receipt).write_to(&mut headers);
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    let outcome = Outcome::Served(Served::Replayed);
    response.extensions_mut().insert(outcome);
    response
}
