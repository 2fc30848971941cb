//! The requests that a caller gives to the client.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::Endpoint;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request to pay for.
#[derive(Debug, Clone, PartialEq)]
pub struct PaidRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// Endpoint and body of a request to a model, which is priced by its body; `None` for plain routes.
    pub(super) of_model: Option<(Endpoint, Value)>,
    pub(super) key: Option<IdempotencyKey>,
}

impl PaidRequest {
    /// A request to a model, with a random idempotency key unless [`Self::with_key`] sets one.
    #[must_use]
    pub fn new(endpoint: Endpoint, body: Value) -> Self {
        Self {
            content_type: Some(JSON),
            body: body.to_string().into(),
            of_model: Some((endpoint, body)),
            ..Self::plain(Method::POST, endpoint.path(), Bytes::new())
        }
    }

    /// A request to any route, with a random idempotency key unless [`Self::with_key`] sets one. `path` is relative to
    /// the provider's base URL and may contain a query.
    #[must_use]
    pub fn plain(method: Method, path: &str, body: impl Into<Bytes>) -> Self {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        Self {
            method,
            path: format!("/{}", path.trim_start_matches('/')),
            query,
            content_type: None,
            body: body.into(),
            of_model: None,
            key: None,
        }
    }

    /// Sets the content type of the body.
    #[must_use]
    pub fn with_content_type(self, content_type: HeaderValue) -> Self {
        Self {
            content_type: Some(content_type),
            ..self
        }
    }

    /// Sets the idempotency key. Sending the same request with the same key again returns the stored answer and costs
    /// nothing more, for as long as the provider keeps the answer, even after this process has ended.
    #[must_use]
    pub fn with_key(self, key: IdempotencyKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }
}
