//! What a client is told that does not get its answer, in the OpenAI API's shape.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use farthing_client::paying_client::PayError;
use farthing_wire::idempotency::InvalidKey;
use serde_json::{Value, json};

/// By which OpenAI's clients decide whether to try again. They would with another key, which may cost again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An answer of the proxy itself.
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
        let message = "a web page may not spend from this lane: ask from a program";
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

    /// The same within a stream.
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
            // Nothing was paid, and the next time the provider may be there.
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
