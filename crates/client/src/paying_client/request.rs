//! The requests that a caller gives to the client.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::{Endpoint, RequestBody, model_of};

/// Length of a body beyond which its model's price is asked for with a short request first, in bytes: providers read little
/// of a body without a payment.
const LONG_BODY: usize = 64 * 1024;

/// Header by which a request asks for a tier.
const TIER: &str = "farthing-tier";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request to pay for.
#[derive(Debug, Clone, PartialEq)]
pub struct PaidRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Further headers.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Endpoint and body of a request to a model, which is priced by its body; `None` for plain routes.
    pub(super) of_model: Option<(Endpoint, RequestBody)>,
    pub(super) key: Option<IdempotencyKey>,
}

impl PaidRequest {
    /// A request to a model, with a random idempotency key unless [`Self::with_key`] sets one.
    #[must_use]
    pub fn new(endpoint: Endpoint, body: Value) -> Self {
        Self::of_model(endpoint, body.to_string())
    }

    /// A request to a model, whose body is sent byte for byte as it is given.
    #[must_use]
    pub fn of_model(endpoint: Endpoint, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let request = Self::plain(Method::POST, endpoint.path(), body.clone());
        Self {
            // The provider says what is wrong with a body that cannot be priced here.
            of_model: RequestBody::parse(body).ok().map(|body| (endpoint, body)),
            ..request.with_content_type(JSON)
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
            headers: HeaderMap::new(),
            body: body.into(),
            of_model: None,
            key: None,
        }
    }

    /// The tier that a header asks for; empty if none does.
    pub(super) fn tier(&self) -> String {
        let tier = self.headers.get(TIER);
        let tier = tier.and_then(|tier| tier.to_str().ok());
        tier.unwrap_or_default().to_owned()
    }

    /// Sets the query of the URL.
    #[must_use]
    pub fn with_query(self, query: Option<&str>) -> Self {
        Self {
            query: query.map(str::to_owned),
            ..self
        }
    }

    /// Sets the content type of the body.
    #[must_use]
    pub fn with_content_type(mut self, content_type: HeaderValue) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self
    }

    /// Adds headers, which replace those of the same names. The provider decides which of them its upstream gets.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// A short request to the same model, to learn its price without sending a long body twice; `None` unless this one is
    /// long.
    pub(super) fn for_the_price(&self) -> Option<Self> {
        let (endpoint, body) = self.of_model.as_ref()?;
        if self.body.len() <= LONG_BODY {
            return None;
        }
        let messages = json!([{"role": "user", "content": "?"}]);
        let mut short = match endpoint {
            Endpoint::ChatCompletions | Endpoint::Messages => {
                json!({"messages": messages, "max_tokens": 1})
            }
            Endpoint::CountTokens => json!({"messages": messages}),
            Endpoint::Completions => json!({"prompt": "?", "max_tokens": 1}),
            Endpoint::Responses => json!({"input": "?", "max_output_tokens": 16}),
            Endpoint::Embeddings => json!({"input": "?"}),
        };
        short["model"] = model_of(body).ok()?.into();
        let short = Self::new(*endpoint, short).with_query(self.query.as_deref());
        Some(short.with_headers(self.headers.clone()))
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
