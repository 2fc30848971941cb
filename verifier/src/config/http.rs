//! `[http]`: the HTTP server, its limits, and the upstream.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use farthing_wire::pricing::Dialect;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_with::{DurationMilliSeconds, serde_as};

use super::units::{Bytes, Secret, in_memory};
use super::upstream::{check_headers, check_origin};
use super::url::{check_url, is_origin};
use super::{ConfigError, RequestsConfig, check_places};

/// Stands for every origin in [`HttpConfig::cors_origins`].
pub(crate) const ANY_ORIGIN: &str = "*";

/// Client headers that are passed on to the upstream by default: what describes the request and its trace. Headers that
/// an upstream might apply to the provider's own account are not among them.
const FORWARDED: [&str; 9] = [
    "accept",
    "accept-language",
    "user-agent",
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-stainless-*",
    "openai-*",
    "anthropic-*",
];

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
    /// Dialect of the upstream, as of those in `[[upstream]]`.
    #[schemars(with = "Option<String>")]
    pub upstream_dialect: Option<Dialect>,
    /// Names of client headers that are passed on to the upstream; a `*` at the end stands for any text. Credentials,
    /// cookies and payments are never passed on.
    pub forward_headers: Vec<String>,
    /// Maximum length of the body of a request that carries a payment, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_body_bytes: ByteSize,
    /// Maximum length of the body of a request without a payment, which is read only for its price, in bytes.
    #[serde_as(as = "Bytes")]
    pub max_unpaid_body_bytes: ByteSize,
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
    /// Time after which a silent stream gets a comment, so that nothing on the way takes its connection for dead; 0
    /// sends none.
    #[serde_as(as = "DurationMilliSeconds<u64>")]
    #[serde(rename = "keep_alive_interval_ms")]
    pub keep_alive_interval: Duration,
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
            upstream_dialect: None,
            forward_headers: FORWARDED.map(str::to_owned).to_vec(),
            max_body_bytes: requests.max_body_bytes,
            max_unpaid_body_bytes: requests.max_unpaid_body_bytes,
            max_header_bytes: ByteSize::kib(32),
            max_answer_bytes: requests.max_answer_bytes,
            max_connections: 16_384,
            header_timeout: Duration::from_secs(30),
            max_concurrent_requests: requests.max_concurrent_requests,
            body_timeout: requests.body_timeout,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(600),
            idle_timeout: requests.idle_timeout,
            keep_alive_interval: requests.keep_alive_interval,
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

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.public_url {
            check_url("http.public_url", url)?;
        }
        if let Some(url) = &self.upstream {
            check_origin("http.upstream", url)?;
        }
        check_headers("http.forward_headers", &self.forward_headers)?;
        let mut origins = self.cors_origins.iter();
        if let Some(origin) = origins.find(|origin| *origin != ANY_ORIGIN && !is_origin(origin)) {
            let reason = format!(
                "{origin} is not an origin: write scheme, host and port as a browser sends them, or *"
            );
            return Err(ConfigError::value("http.cors_origins", reason));
        }
        for (key, value) in [
            ("http.max_body_bytes", in_memory(self.max_body_bytes)),
            (
                "http.max_unpaid_body_bytes",
                in_memory(self.max_unpaid_body_bytes),
            ),
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
            max_unpaid_body_bytes: self.max_unpaid_body_bytes,
            max_answer_bytes: self.max_answer_bytes,
            max_concurrent_requests: self.max_concurrent_requests,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
            keep_alive_interval: self.keep_alive_interval,
            drain_timeout: self.drain_timeout,
        }
    }
}
