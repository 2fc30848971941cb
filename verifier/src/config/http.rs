//! `[http]`: the server, its limits, and the upstream that it sells.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, RequestsConfig};

/// Stands for every origin in [`HttpConfig::cors_origins`].
pub(crate) const ANY_ORIGIN: &str = "*";

/// The server and its upstream.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address to listen on; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Address on which `GET /metrics` is answered, for Prometheus; by default none. It tells what is earned: choose
    /// one that only the operator reaches.
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    /// Base URL under which clients reach this server, for the `resource` of a 402. By default the
    /// request's `Host`.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Origins of the web pages that may use this server from a browser, such as `https://app.example.com`; `*`, the
    /// default, stands for all.
    #[serde(default = "default_cors_origins")]
    pub cors_origins: Vec<String>,
    /// Base URL of the OpenAI-compatible upstream, with or without `/v1` at its end. Only a verifier that sells nothing
    /// itself has none.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Sent to the upstream as a bearer token. Never logged, never shown.
    #[serde(default)]
    pub upstream_api_key: Option<String>,
    /// Longest request body in bytes.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: usize,
    /// Longest request headers in bytes, all together.
    #[serde(default = "default_max_header_bytes")]
    pub max_header_bytes: usize,
    /// Longest answer of the upstream that is not a stream, in bytes.
    #[serde(default = "default_max_answer_bytes")]
    pub max_answer_bytes: usize,
    /// The most connections; more wait until one ends.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// How long a client may take to send the headers of a request, and a connection may be idle.
    #[serde(default = "default_header_timeout_ms")]
    pub header_timeout_ms: u64,
    /// The most requests in flight; more are answered with 503.
    #[serde(default = "default_max_concurrent_requests")]
    pub max_concurrent_requests: usize,
    /// How long a client may take to send its body.
    #[serde(default = "default_body_timeout_ms")]
    pub body_timeout_ms: u64,
    /// How long a connection to the upstream may take.
    #[serde(default = "default_connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// How long the upstream may take to begin its answer.
    #[serde(default = "default_first_byte_timeout_ms")]
    pub first_byte_timeout_ms: u64,
    /// How long the upstream may pause within an answer, and a client may stop reading one.
    #[serde(default = "default_idle_timeout_ms")]
    pub idle_timeout_ms: u64,
    /// How long requests in flight may take to end when the server shuts down.
    #[serde(default = "default_drain_timeout_ms")]
    pub drain_timeout_ms: u64,
}

impl HttpConfig {
    /// The defaults in front of an upstream, on a free port of the loopback interface.
    #[must_use]
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics_listen: None,
            public_url: None,
            cors_origins: default_cors_origins(),
            upstream: Some(upstream.into()),
            upstream_api_key: None,
            max_body_bytes: default_max_body_bytes(),
            max_header_bytes: default_max_header_bytes(),
            max_answer_bytes: default_max_answer_bytes(),
            max_connections: default_max_connections(),
            header_timeout_ms: default_header_timeout_ms(),
            max_concurrent_requests: default_max_concurrent_requests(),
            body_timeout_ms: default_body_timeout_ms(),
            connect_timeout_ms: default_connect_timeout_ms(),
            first_byte_timeout_ms: default_first_byte_timeout_ms(),
            idle_timeout_ms: default_idle_timeout_ms(),
            drain_timeout_ms: default_drain_timeout_ms(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (key, url) in [
            ("http.upstream", self.upstream.as_ref()),
            ("http.public_url", self.public_url.as_ref()),
        ] {
            if let Some(url) = url {
                check_url(key, url)?;
            }
        }
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            let reason = "must not be http.listen: clients are not told what is earned";
            return Err(ConfigError::value("http.metrics_listen", reason));
        }
        let mut origins = self.cors_origins.iter();
        if let Some(origin) = origins.find(|origin| *origin != ANY_ORIGIN && !is_origin(origin)) {
            let reason = format!(
                "{origin} is no origin: give scheme, host and port as a browser does, or *"
            );
            return Err(ConfigError::value("http.cors_origins", reason));
        }
        for (key, value) in [
            ("http.max_body_bytes", self.max_body_bytes),
            ("http.max_header_bytes", self.max_header_bytes),
            ("http.max_answer_bytes", self.max_answer_bytes),
            ("http.max_concurrent_requests", self.max_concurrent_requests),
            ("http.max_connections", self.max_connections),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, "must be at least 1"));
            }
        }
        Ok(())
    }

    /// What a request may take.
    pub(crate) fn requests(&self) -> RequestsConfig {
        RequestsConfig {
            public_url: self.public_url.clone(),
            max_body_bytes: self.max_body_bytes,
            max_answer_bytes: self.max_answer_bytes,
            max_concurrent_requests: self.max_concurrent_requests,
            body_timeout_ms: self.body_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            drain_timeout_ms: self.drain_timeout_ms,
        }
    }

    /// The upstream's URL without `/v1`; empty if there is none, and nothing is asked.
    #[must_use]
    pub fn upstream_base(&self) -> &str {
        let upstream = self.upstream.as_deref().unwrap_or_default();
        let base = upstream.trim_end_matches('/');
        base.strip_suffix("/v1").unwrap_or(base)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn first_byte_timeout(&self) -> Duration {
        Duration::from_millis(self.first_byte_timeout_ms)
    }
}

/// Whether a text is what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| url.has_host() && url.origin().ascii_serialization() == text)
}

pub(crate) fn check_url(key: &'static str, url: &str) -> Result<(), ConfigError> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => Err(ConfigError::value(
            key,
            "must be an http:// or https:// URL with a host",
        )),
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("listen", &self.listen)
            .field("metrics_listen", &self.metrics_listen)
            .field("upstream", &self.upstream)
            .field("has_upstream_api_key", &self.upstream_api_key.is_some())
            .field("max_concurrent_requests", &self.max_concurrent_requests)
            .finish_non_exhaustive()
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8402))
}

fn default_cors_origins() -> Vec<String> {
    vec![ANY_ORIGIN.to_owned()]
}

pub(super) fn default_max_body_bytes() -> usize {
    4 * 1024 * 1024
}

fn default_max_header_bytes() -> usize {
    32 * 1024
}

pub(super) fn default_max_answer_bytes() -> usize {
    16 * 1024 * 1024
}

fn default_max_connections() -> usize {
    16_384
}

fn default_header_timeout_ms() -> u64 {
    30_000
}

pub(super) fn default_max_concurrent_requests() -> usize {
    4_096
}

pub(super) fn default_body_timeout_ms() -> u64 {
    30_000
}

fn default_connect_timeout_ms() -> u64 {
    5_000
}

fn default_first_byte_timeout_ms() -> u64 {
    120_000
}

pub(super) fn default_idle_timeout_ms() -> u64 {
    60_000
}

pub(super) fn default_drain_timeout_ms() -> u64 {
    30_000
}
