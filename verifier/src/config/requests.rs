//! `[requests]`: limits on the requests of a [`Seller`](crate::Seller).

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, serde_as};

use super::units::{Bytes, in_memory};
use super::url::check_url;
use super::{ConfigError, check_places};

/// Limits on the requests of a [`Seller`](crate::Seller), and its public URL.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Base URL under which clients reach the application, for the `resource` of a 402; by default it is made from the
    /// request's `Host` header.
    pub public_url: Option<String>,
    /// Maximum length of the body of a request that carries a payment, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_body_bytes: ByteSize,
    /// Maximum length of the body of a request without a payment, which is read only for its price, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_unpaid_body_bytes: ByteSize,
    /// Maximum length of an answer that is not a stream, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_answer_bytes: ByteSize,
    /// Maximum number of requests in flight; further ones are answered with 503.
    pub max_concurrent_requests: usize,
    /// Timeout for a client to send the body of a request.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "body_timeout_ms")]
    pub body_timeout: Duration,
    /// Maximum time for which an answer may pause once it has begun, and for which a client may stop reading one.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Duration,
    /// Time after which a silent stream gets a comment, so that nothing on the way takes its connection for dead; 0
    /// sends none.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "keep_alive_interval_ms")]
    pub keep_alive_interval: Duration,
    /// Time that requests in flight have to end at a shutdown.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "drain_timeout_ms")]
    pub drain_timeout: Duration,
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            max_body_bytes: ByteSize::mib(32),
            max_unpaid_body_bytes: ByteSize::mib(4),
            max_answer_bytes: ByteSize::mib(128),
            max_concurrent_requests: 4_096,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            keep_alive_interval: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl RequestsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.public_url {
            check_url("requests.public_url", url)?;
        }
        for (key, value) in [
            ("requests.max_body_bytes", in_memory(self.max_body_bytes)),
            (
                "requests.max_unpaid_body_bytes",
                in_memory(self.max_unpaid_body_bytes),
            ),
            (
                "requests.max_answer_bytes",
                in_memory(self.max_answer_bytes),
            ),
            (
                "requests.max_concurrent_requests",
                self.max_concurrent_requests,
            ),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, "must be at least 1"));
            }
        }
        check_places(
            "requests.max_concurrent_requests",
            self.max_concurrent_requests,
        )
    }
}
