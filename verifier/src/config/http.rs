//! `[http]`: the HTTP server, its limits, and the upstream.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, serde_as};

use super::units::{Bytes, Secret, in_memory};
use super::url::{check_url, is_origin};
use super::{ConfigError, RequestsConfig, check_places};

/// Stands for every origin in [`HttpConfig::cors_origins`].
pub(crate) const ANY_ORIGIN: &str = "*";

/// The HTTP server, its limits, and the upstream.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address to listen on; port 0 chooses a free port.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Base URL under which clients reach this server, for the `resource` of a 402; by default it is made from the
    /// request's `Host` header.
    pub public_url: Option<String>,
    /// Origins of the web pages that may use this server from a browser, such as `https://app.example.com`; `*`, the
    /// default, allows all.
    pub cors_origins: Vec<String>,
    /// Base URL of the OpenAI-compatible upstream, with or without `/v1` at its end; required unless only other servers
    /// sell through the facilitator.
    pub upstream: Option<String>,
    /// API key that is sent to the upstream as a bearer token. It is never logged or shown.
    #[serde_as(as = "Option<Secret>")]
    pub upstream_api_key: Option<SecretString>,
    /// Maximum length of a request's body in bytes.
    #[serde_as(as = "Bytes")]
    pub max_body_bytes: ByteSize,
    /// Maximum total length of a request's headers in bytes.
    #[serde_as(as = "Bytes")]
    pub max_header_bytes: ByteSize,
    /// Maximum length of an upstream answer that is not a stream, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_answer_bytes: ByteSize,
    /// Maximum number of open connections; further ones wait until one is closed.
    pub max_connections: usize,
    /// Timeout for a client to send the headers of a request, and for an idle connection.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "header_timeout_ms")]
    pub header_timeout: Duration,
    /// Maximum number of requests in flight; further ones are answered with 503.
    pub max_concurrent_requests: usize,
    /// Timeout for a client to send the body of a request.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "body_timeout_ms")]
    pub body_timeout: Duration,
    /// Timeout for connecting to the upstream.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "connect_timeout_ms")]
    pub connect_timeout: Duration,
    /// Timeout for the upstream to begin its answer.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "first_byte_timeout_ms")]
    pub first_byte_timeout: Duration,
    /// Maximum time for which the upstream may pause within an answer, and for which a client may stop reading one.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "idle_timeout_ms")]
    pub idle_timeout: Duration,
    /// Time that requests in flight have to end when the server shuts down.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "drain_timeout_ms")]
    pub drain_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let requests = RequestsConfig::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8402)),
            public_url: requests.public_url,
            cors_origins: vec![ANY_ORIGIN.to_owned()],
            upstream: None,
            upstream_api_key: None,
            max_body_bytes: requests.max_body_bytes,
            max_header_bytes: ByteSize::kib(32),
            max_answer_bytes: requests.max_answer_bytes,
            max_connections: 16_384,
            header_timeout: Duration::from_secs(30),
            max_concurrent_requests: requests.max_concurrent_requests,
            body_timeout: requests.body_timeout,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(120),
            idle_timeout: requests.idle_timeout,
            drain_timeout: requests.drain_timeout,
        }
    }
}

impl HttpConfig {
    /// The defaults in front of an upstream, on a free port of the loopback interface.
    #[must_use]
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream: Some(upstream.into()),
            ..Self::default()
        }
    }

    /// A URL is shown, so it must not carry what must not be shown; and paths are put behind it.
    fn check_upstream(&self) -> Result<(), ConfigError> {
        let url = self.upstream.as_ref().and_then(|url| url.parse().ok());
        let carries_more = |url: reqwest::Url| {
            !url.username().is_empty() || url.password().is_some() || url.query().is_some()
        };
        if url.is_some_and(carries_more) {
            let reason = "must have no user, password or query: give the upstream's key as http.upstream_api_key";
            return Err(ConfigError::value("http.upstream", reason));
        }
        Ok(())
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
        let mut origins = self.cors_origins.iter();
        if let Some(origin) = origins.find(|origin| *origin != ANY_ORIGIN && !is_origin(origin)) {
            let reason = format!(
                "{origin} is not an origin: write scheme, host and port as a browser sends them, or *"
            );
            return Err(ConfigError::value("http.cors_origins", reason));
        }
        self.check_upstream()?;
        for (key, value) in [
            ("http.max_body_bytes", in_memory(self.max_body_bytes)),
            ("http.max_header_bytes", in_memory(self.max_header_bytes)),
            ("http.max_answer_bytes", in_memory(self.max_answer_bytes)),
            ("http.max_concurrent_requests", self.max_concurrent_requests),
            ("http.max_connections", self.max_connections),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, "must be at least 1"));
            }
        }
        for (key, value) in [
            ("http.max_concurrent_requests", self.max_concurrent_requests),
            ("http.max_connections", self.max_connections),
        ] {
            check_places(key, value)?;
        }
        Ok(())
    }

    /// The limits on requests, as a seller uses them.
    pub(crate) fn requests(&self) -> RequestsConfig {
        RequestsConfig {
            public_url: self.public_url.clone(),
            max_body_bytes: self.max_body_bytes,
            max_answer_bytes: self.max_answer_bytes,
            max_concurrent_requests: self.max_concurrent_requests,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
            drain_timeout: self.drain_timeout,
        }
    }

    /// The upstream's URL without `/v1`; empty if there is no upstream, which is then never requested.
    #[must_use]
    pub fn upstream_base(&self) -> &str {
        let upstream = self.upstream.as_deref().unwrap_or_default();
        let base = upstream.trim_end_matches('/');
        base.strip_suffix("/v1").unwrap_or(base)
    }
}
