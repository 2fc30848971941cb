//! What a caller wants to have.

use serde_json::Value;

use crate::idempotency::IdempotencyKey;
use crate::pricing::Endpoint;

/// A request to pay for.
#[derive(Debug, Clone, PartialEq)]
pub struct PaidRequest {
    pub(super) endpoint: Endpoint,
    pub(super) body: Value,
    pub(super) key: Option<IdempotencyKey>,
}

impl PaidRequest {
    /// A request with a key of its own.
    #[must_use]
    pub const fn new(endpoint: Endpoint, body: Value) -> Self {
        Self {
            endpoint,
            body,
            key: None,
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
