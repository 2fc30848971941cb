//! `[requests]`: what a request may take, whoever serves it.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::http::{self, check_url};

/// What a request may take of a [`Seller`](crate::Seller), and how its URL is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Base URL under which clients reach the application, for the `resource` of a 402. By default the request's `Host`.
    pub public_url: Option<String>,
    /// Longest request body in bytes.
    pub max_body_bytes: usize,
    /// Longest answer that is not a stream, in bytes.
    pub max_answer_bytes: usize,
    /// The most requests in flight; more are answered with 503.
    pub max_concurrent_requests: usize,
    /// How long a client may take to send its body.
    pub body_timeout_ms: u64,
    /// How long an answer may pause once it has begun, and a client may stop reading one.
    pub idle_timeout_ms: u64,
    /// How long requests in flight may take to end at a shutdown.
    pub drain_timeout_ms: u64,
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            max_body_bytes: http::default_max_body_bytes(),
            max_answer_bytes: http::default_max_answer_bytes(),
            max_concurrent_requests: http::default_max_concurrent_requests(),
            body_timeout_ms: http::default_body_timeout_ms(),
            idle_timeout_ms: http::default_idle_timeout_ms(),
            drain_timeout_ms: http::default_drain_timeout_ms(),
        }
    }
}

impl RequestsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.public_url {
            check_url("requests.public_url", url)?;
        }
        for (key, value) in [
            ("requests.max_body_bytes", self.max_body_bytes),
            ("requests.max_answer_bytes", self.max_answer_bytes),
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

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}
