//! `[requests]`: what a request may take, whoever serves it.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, serde_as};

use super::ConfigError;
use super::units::{Bytes, in_memory};
use super::url::check_url;

/// What a request may take of a [`Seller`](crate::Seller), and how its URL is told.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Base URL under which clients reach the application, for the `resource` of a 402. By default the request's `Host`.
    pub public_url: Option<String>,
    /// Longest request body in bytes.
    #[serde_as(as = "Bytes")]
    pub max_body_bytes: ByteSize,
    /// Longest answer that is not a stream, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_answer_bytes: ByteSize,
    /// The most requests in flight; more are answered with 503.
    pub max_concurrent_requests: usize,
    /// How long a client may take to send its body.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "body_timeout_ms")]
    pub body_timeout: Duration,
    /// How long an answer may pause once it has begun, and a client may stop reading one.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Duration,
    /// How long requests in flight may take to end at a shutdown.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "drain_timeout_ms")]
    pub drain_timeout: Duration,
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            max_body_bytes: ByteSize::mib(4),
            max_answer_bytes: ByteSize::mib(16),
            max_concurrent_requests: 4_096,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
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
        Ok(())
    }
}
