//! All errors that clients see: status, code, and a body in the format of the OpenAI API.
//!
//! Error types of the inner layers are converted here and nowhere else.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use farthing_protocol::debit::AcceptError;
use farthing_wire::pricing::QuoteError;
use serde_json::{Map, Value, json};

use crate::chain::ChannelError;
use crate::ledger::Refusal;
use crate::metering::NotAnAnswer;
use crate::metrics::Outcome;
use crate::payment::{LaneStateError, PaymentError};
use crate::prices::OrderError;
use crate::store::StoreFailed;

use super::x402::payment_headers::PaymentHeaders;

/// Header by which clients of OpenAI decide whether to retry.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Field by which Anthropic's client continues messages that the upstream has stored.
const THREAD: &str = "thread";

/// An error that this server answers with, as opposed to one that the upstream sent.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Stable error code in snake case.
    pub(crate) code: &'static str,
    /// Message for people, which says what to do next.
    pub(crate) message: String,
    /// The field of the request that is wrong, if there is one.
    pub(crate) param: Option<String>,
    /// Payment headers of the answer. Boxed to keep the error small, because most errors have none.
    pub(crate) headers: Box<PaymentHeaders>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            headers: Box::default(),
        }
    }

    pub(crate) fn route_not_sold() -> Self {
        let message =
            "this route is not sold here: see GET /v1/models and GET /.well-known/x402 for what is";
        Self::new(StatusCode::NOT_FOUND, "route_not_sold", message)
    }

    /// The error for a path that no route has but that resembles one.
    pub(crate) fn path_resembles(right: &str) -> Self {
        let message =
            format!("there is no such path here: use {right} (base URLs of clients end with /v1)");
        Self::new(StatusCode::NOT_FOUND, "route_not_sold", message)
    }

    pub(crate) fn model_not_found(model: &str) -> Self {
        Self {
            param: Some("model".to_owned()),
            ..Self::new(
                StatusCode::NOT_FOUND,
                "model_not_priced",
                format!("model {model:?} is not sold here"),
            )
        }
    }

    pub(crate) fn shutting_down() -> Self {
        let message = "the provider is shutting down: try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
    }

    pub(crate) fn overloaded() -> Self {
        let message = "the provider has too many requests in flight: try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
    }

    pub(crate) fn failed() -> Self {
        let message = "internal error: report it to the provider";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is longer than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn unpaid_body_too_large(limit: usize) -> Self {
        let message = format!(
            "the body is longer than {limit} bytes, which are read without a payment: send it with a payment (GET \
             /.well-known/x402 has the prices)"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn body_encoded() -> Self {
        let message = "the body is compressed: send it without a Content-Encoding";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "body_encoded", message)
    }

    pub(crate) fn body_malformed() -> Self {
        let message = "the request's body broke off or is malformed: send the request again";
        Self::new(StatusCode::BAD_REQUEST, "body_malformed", message)
    }

    pub(crate) fn headers_too_large(limit: usize) -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = format!("the headers are longer than {limit} bytes");
        Self::new(status, "headers_too_large", message)
    }

    pub(crate) fn body_incomplete() -> Self {
        let message = "timeout while reading the request's body: send the request again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    pub(crate) fn payment_header(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "payment_header_malformed", message)
    }

    pub(crate) fn payment_required() -> Self {
        let message = "this request must be paid for: see the PAYMENT-REQUIRED header";
        Self::new(StatusCode::PAYMENT_REQUIRED, "payment_required", message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>, param: Option<String>) -> Self {
        Self {
            param,
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
        }
    }

    pub(crate) fn token_invalid() -> Self {
        let message = "give the facilitator's token, once: Authorization: Bearer <token>";
        Self::new(StatusCode::UNAUTHORIZED, "token_invalid", message)
    }

    pub(crate) fn answer_not_kept() -> Self {
        let message = "this request was already served and charged, as its receipt says, but its answer is not stored: \
                       to be served and charged again, use a new idempotency key";
        Self::new(StatusCode::GONE, "answer_not_kept", message)
    }

    pub(crate) fn upstream_unreachable() -> Self {
        let message = "the upstream cannot be reached: try again later";
        Self::new(StatusCode::BAD_GATEWAY, "upstream_unreachable", message)
    }

    pub(crate) fn upstream_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream_invalid", message)
    }

    pub(crate) fn upstream_timeout() -> Self {
        let message = "timeout while waiting for the answer: try again later";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
    }

    pub(crate) fn with_headers(mut self, headers: PaymentHeaders) -> Self {
        self.headers = Box::new(headers);
        self
    }

    /// The `type` of the OpenAI API's error format that fits the status.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::PAYMENT_REQUIRED => "payment_required_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "type": self.kind(),
            "param": self.param,
        });
        if self.param.as_deref() == Some(THREAD) {
            // By this Anthropic's client knows that it must send all messages, and does.
            error["details"] =
                json!({"error_code": "thread_unsupported_request", "unsupported": [THREAD]});
        }
        let mut body = Map::from_iter([("error".to_owned(), error)]);
        let required = self.headers.required.clone();
        if let Some(required) = &required {
            required.add_version_1(&mut body);
        }
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status;
        // The HTML page that a browser gets instead of JSON is made from this extension.
        required.and_then(|required| response.extensions_mut().insert(required));
        let outcome = Outcome::Named(self.code);
        response.extensions_mut().insert(outcome);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::GATEWAY_TIMEOUT {
            // Another try would make the upstream think in vain once more.
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        self.headers.write_to(headers);
        response
    }
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Quote(error) => error.into(),
            error @ OrderError::TierNotSold { .. } => {
                let status = StatusCode::NOT_FOUND;
                Self::new(status, "tier_not_sold", error.to_string())
            }
        }
    }
}

impl From<QuoteError> for ApiError {
    fn from(error: QuoteError) -> Self {
        let message = error.to_string();
        match error {
            QuoteError::Invalid { param, .. } => Self::invalid_request(message, Some(param)),
            QuoteError::NotBounded { param, .. } => Self {
                param: Some(param),
                ..Self::new(StatusCode::BAD_REQUEST, "field_not_bounded", message)
            },
            QuoteError::ModelNotPriced { .. } => Self {
                param: Some("model".to_owned()),
                ..Self::new(StatusCode::NOT_FOUND, "model_not_priced", message)
            },
            QuoteError::TooExpensive => Self::invalid_request(message, None),
        }
    }
}

impl From<NotAnAnswer> for ApiError {
    fn from(error: NotAnAnswer) -> Self {
        Self::upstream_invalid(error.to_string())
    }
}

impl From<StoreFailed> for ApiError {
    fn from(error: StoreFailed) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "store_unavailable", error.to_string())
    }
}

impl From<&PaymentError> for ApiError {
    fn from(error: &PaymentError) -> Self {
        let (status, code) = match error {
            PaymentError::Malformed(_) => (StatusCode::BAD_REQUEST, "payment_malformed"),
            PaymentError::Mismatch { .. } => (
                StatusCode::PAYMENT_REQUIRED,
                "payment_requirements_mismatch",
            ),
            PaymentError::Channel(ChannelError::Unknown) => {
                (StatusCode::PAYMENT_REQUIRED, "channel_unknown")
            }
            PaymentError::Channel(ChannelError::NotServed(_)) => {
                (StatusCode::PAYMENT_REQUIRED, "channel_not_served")
            }
            PaymentError::Channel(ChannelError::Unavailable) => {
                (StatusCode::SERVICE_UNAVAILABLE, "chain_unavailable")
            }
            PaymentError::Signature => (StatusCode::PAYMENT_REQUIRED, "signature_invalid"),
            PaymentError::Refused(refusal) => refusal_code(refusal),
            PaymentError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<LaneStateError> for ApiError {
    fn from(error: LaneStateError) -> Self {
        let (status, code) = match &error {
            LaneStateError::Stale { .. } => (StatusCode::FORBIDDEN, "state_query_stale"),
            LaneStateError::ChannelUnknown => (StatusCode::NOT_FOUND, "channel_unknown"),
            // A lane state query asks for no payment, so a refusal that is a 402 elsewhere is a 404 here.
            LaneStateError::Lane(refusal) => match refusal_code(refusal) {
                (StatusCode::PAYMENT_REQUIRED, code) => (StatusCode::NOT_FOUND, code),
                other => other,
            },
            LaneStateError::Signature => (StatusCode::FORBIDDEN, "signature_invalid"),
            LaneStateError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn refusal_code(refusal: &Refusal) -> (StatusCode, &'static str) {
    let code = match refusal {
        Refusal::ChannelClosing => "channel_closing",
        Refusal::LaneUnknown => "lane_unknown",
        Refusal::LaneRevoked => "lane_revoked",
        Refusal::GenerationMismatch { .. } => "generation_mismatch",
        Refusal::StoreBehindChain => {
            return (StatusCode::SERVICE_UNAVAILABLE, "store_behind_chain");
        }
        Refusal::VoucherUsed => "voucher_used",
        Refusal::KeyReused => return (StatusCode::CONFLICT, "idempotency_key_reused"),
        // If the needed amount exceeds 64 bits, every ceiling is below it.
        Refusal::Amount(AcceptError::CeilingBelowNeed { .. } | AcceptError::Overflow) => {
            "ceiling_below_need"
        }
        Refusal::Amount(AcceptError::CeilingAboveCap) => "ceiling_above_cap",
        Refusal::Amount(AcceptError::CeilingTooFarAhead) => "ceiling_too_far_ahead",
        Refusal::Amount(AcceptError::DepositExhausted) => "deposit_exhausted",
    };
    (StatusCode::PAYMENT_REQUIRED, code)
}
