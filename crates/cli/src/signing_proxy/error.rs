//! Errors of the proxy, in the format of the OpenAI API.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use farthing_client::paying_client::PayError;
use farthing_wire::idempotency::InvalidKey;
use serde_json::{Value, json};

use crate::error::CliError;

/// Header by which OpenAI's clients decide whether to retry.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An error response of the proxy itself.
#[derive(Debug, Clone)]
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

    fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "origin_refused", message)
    }

    pub(super) fn web_page() -> Self {
        let message = "web pages may not spend from this lane: send the request from a program, or allow the page's \
        origin with --allow-origin";
        Self::forbidden(message)
    }

    pub(super) fn origin(origin: &str) -> Self {
        Self::forbidden(format!(
            "pages of {origin} may not spend from this lane: to allow them, start the proxy with --allow-origin {origin}"
        ))
    }

    pub(super) fn host(name: &str) -> Self {
        Self::forbidden(format!(
            "the name {name:?} is not one of this machine's own: use 127.0.0.1 or localhost, or start the proxy with \
             --allow-host {name}"
        ))
    }

    pub(super) fn token() -> Self {
        let message = "give the proxy's token as the API key (with several lanes TOKEN.lane-7)";
        Self::new(StatusCode::UNAUTHORIZED, "token_invalid", message)
    }

    pub(super) fn lane_unknown(name: &str) -> Self {
        // What does not look like the name of a lane may be a real key, sent by mistake.
        let looks_like_a_lane = name.starts_with("lane-") && name.len() <= 16;
        let message = if looks_like_a_lane {
            format!("there is no key file {name}.json in the folder of --lane-keys")
        } else {
            "choose a lane with the API key: the name of a key file of --lane-keys, such as lane-7"
                .to_owned()
        };
        Self::new(StatusCode::UNAUTHORIZED, "lane_unknown", message)
    }

    /// A lane whose key or channel could not be read, which may be the node's fault.
    pub(super) fn lane(error: &CliError) -> Self {
        let message = format!("the lane cannot be used: {error}");
        Self::new(StatusCode::BAD_GATEWAY, "lane_unavailable", message)
    }

    pub(super) fn delivered_elsewhere() -> Self {
        let message = "another attempt of this request has got its answer";
        Self::new(StatusCode::CONFLICT, "answer_delivered", message)
    }

    pub(super) fn failed() -> Self {
        let message = "internal error of the proxy";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    pub(super) const fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn not_read(rejection: &BytesRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "invalid_request",
        };
        Self::new(rejection.status(), code, rejection.body_text())
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
            | PayError::Budget(_)
            | PayError::PriceJumped { .. }
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
