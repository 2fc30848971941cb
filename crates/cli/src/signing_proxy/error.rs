//! Errors of the proxy, in the format of the OpenAI API.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use farthing_client::paying_client::PayError;
use farthing_wire::idempotency::InvalidKey;
use serde_json::{Value, json};

/// Header by which OpenAI's clients decide whether to retry. Their retry has another idempotency key, so the request
/// may be charged again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An error response of the proxy itself.
#[derive(Debug)]
pub(super) struct ProxyError {
    status: StatusCode,
    code: String,
    message: String,
    may_retry: bool,
}

impl ProxyError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            may_retry: false,
        }
    }

    pub(super) fn web_page() -> Self {
        let message = "web pages may not spend from this lane (the request has an Origin header): send it from a \
        program";
        Self::new(StatusCode::FORBIDDEN, "origin_refused", message)
    }

    pub(super) fn not_read(rejection: &BytesRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "invalid_request",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }

    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        let message = format!("the body is not JSON: {error}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn key(error: InvalidKey) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_invalid",
            error.to_string(),
        )
    }

    fn body(&self) -> Value {
        let kind = match self.status {
            StatusCode::PAYMENT_REQUIRED => "payment_required_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        json!({"error": {"code": self.code, "message": self.message, "type": kind, "param": null}})
    }

    /// The error as a server-sent event, for a stream that has already begun.
    pub(super) fn event(&self) -> Bytes {
        format!("data: {}\n\n", self.body()).into()
    }
}

impl From<&PayError> for ProxyError {
    fn from(error: &PayError) -> Self {
        let status = match error {
            PayError::Configuration(_) => StatusCode::INTERNAL_SERVER_ERROR,
            PayError::Lane(_)
            | PayError::Terms(_)
            | PayError::UnreadableTerms(_)
            | PayError::TooExpensive { .. }
            | PayError::Refused { .. } => StatusCode::PAYMENT_REQUIRED,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self {
            // The provider could not be reached and nothing was paid, so a retry is safe.
            may_retry: matches!(error, PayError::Transport(_)),
            ..Self::new(status, error.code(), error.to_string())
        }
    }
}

impl From<PayError> for ProxyError {
    fn from(error: PayError) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for ProxyError {
    fn into_response(self) -> Response {
        let may_retry = if self.may_retry { "true" } else { "false" };
        let headers = [(SHOULD_RETRY, may_retry)];
        (self.status, headers, Json(self.body())).into_response()
    }
}
