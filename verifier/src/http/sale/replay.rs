//! The answer to a request that was asked before: as it left the first time, with the receipt of then.

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

/// Says that an answer is not new.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static(IDEMPOTENT_REPLAYED);

/// What of a stream may be asked for again: the events that have arrived whole, and then an event that
/// says so where the rest is missing.
const INCOMPLETE: &str = concat!(
    "data: {\"error\":{\"code\":\"answer_incomplete\",\"message\":\"the connection was lost and the ",
    "answer ended there: this is all of it, and all that was charged\",\"type\":\"server_error\",",
    "\"param\":null}}\n\n"
);

/// Keeps an answer for whoever asks again.
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

/// Answers as the first time.
///
/// # Errors
/// [`ApiError`] with the receipt, if the answer is not kept.
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
