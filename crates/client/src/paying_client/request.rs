//! What a caller wants to have.

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
    /// What is asked of a model, which is priced by its body.
    pub(super) of_model: Option<(Endpoint, Value)>,
    pub(super) key: Option<IdempotencyKey>,
}

impl PaidRequest {
    /// A request to a model, with a key of its own.
    #[must_use]
    pub fn new(endpoint: Endpoint, body: Value) -> Self {
        Self {
            content_type: Some(JSON),
            body: body.to_string().into(),
            of_model: Some((endpoint, body)),
            ..Self::plain(Method::POST, endpoint.path(), Bytes::new())
        }
    }

    /// A request of any route, with a key of its own. `path` is the one of the provider, with its query if it has one.
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

    /// The same with this type of its body.
    #[must_use]
    pub fn with_content_type(self, content_type: HeaderValue) -> Self {
        Self {
            content_type: Some(content_type),
            ..self
        }
    }

    /// The same with this key. The same request with the same key has the same answer for as long as its provider keeps
    /// it, and costs nothing again, also after this process has ended.
    #[must_use]
    pub fn with_key(self, key: IdempotencyKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }
}
