//! The HTTP client of the upstream: sends requests with the provider's API key and maps every failure to an
//! [`ApiError`].

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use farthing_wire::causes::with_causes;
use farthing_wire::pricing::{Dialect, Endpoint};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::error::ApiError;
use crate::config::{Config, HttpConfig, UpstreamConfig};
use crate::prices::reserved::MODELS;

/// Content type of the requests that are sent to a model.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Client headers that are never passed on, whatever the configuration says: credentials, payments, headers of a single
/// connection, those that are set anew, and those that an upstream would apply to the provider's own account.
const NEVER_FORWARDED: [&str; 26] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "openai-organization",
    "openai-project",
    "payment-signature",
    "x-payment",
    "payment",
    "idempotency-key",
    "farthing-tier",
    "farthing-signature",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
];
/// How long an upstream may take to list its models.
const MODELS_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was kept open fails at once if the upstream has closed it. What fails later failed while the
/// upstream worked, and is not asked again.
const STALE_WITHIN: Duration = Duration::from_secs(1);
/// Headers of the upstream that are not returned to the client: headers of a single connection, headers that are set
/// anew, and headers that clients would take for this provider's own.
const NOT_RETURNED: [&str; 18] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "cache-control",
    "set-cookie",
    "www-authenticate",
    "payment-required",
    "payment-response",
    "x-payment-response",
    "payment-methods",
    "idempotent-replayed",
    "alt-svc",
];
/// Prefix of the upstream's CORS headers, which are not returned: this provider decides which pages may read an answer.
const NOT_RETURNED_PREFIX: &str = "access-control-";

/// The upstreams, in the order of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams(Arc<[Arc<Upstream>]>);

/// Client of one upstream, with its timeout and the provider's key.
#[derive(Debug)]
pub(crate) struct Upstream {
    name: String,
    client: reqwest::Client,
    /// Client that opens a new connection for each request.
    fresh: reqwest::Client,
    base: String,
    authorization: Option<HeaderValue>,
    /// The key in the header in which Anthropic's API has it.
    api_key: Option<HeaderValue>,
    forwarded: Arc<Forwarded>,
    reports_usage_continuously: bool,
    reports_one_choice: bool,
    first_byte_timeout: Duration,
}

/// Names of client headers that are passed on.
#[derive(Debug)]
struct Forwarded {
    names: Vec<String>,
    prefixes: Vec<String>,
}

/// A request to the upstream.
pub(crate) struct UpstreamRequest<'a> {
    pub(crate) method: Method,
    /// Path, with the query if there is one.
    pub(crate) path: &'a str,
    pub(crate) client_headers: &'a HeaderMap,
    pub(crate) content_type: Option<HeaderValue>,
    /// Headers that select the tier at the upstream.
    pub(crate) tier_headers: &'a [(String, String)],
    pub(crate) body: Bytes,
}

/// Why there is no client for the upstream.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The HTTP client cannot be built.
    #[error("cannot build the client for the upstream: {0}")]
    Client(#[from] reqwest::Error),
    /// The key has characters that no header may have.
    #[error(
        "the API key of upstream {0:?} has characters that are not allowed in a header: check the key"
    )]
    Key(String),
}

impl Upstreams {
    pub(crate) fn new(config: &Config) -> Result<Self, UpstreamError> {
        let forwarded = Arc::new(Forwarded::new(&config.http.forward_headers));
        let upstreams = config.upstreams().into_iter().map(|upstream| {
            let upstream = Upstream::new(&upstream, &config.http, Arc::clone(&forwarded))?;
            Ok(Arc::new(upstream))
        });
        let upstreams: Result<Vec<_>, UpstreamError> = upstreams.collect();
        Ok(Self(upstreams?.into()))
    }

    /// The upstream at an index of the configuration. Without any, requests are never priced, so none is asked for.
    pub(crate) fn at(&self, index: usize) -> Option<Arc<Upstream>> {
        self.0.get(index).cloned()
    }

    /// The upstream of plain routes.
    pub(crate) fn first(&self) -> Option<Arc<Upstream>> {
        self.at(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.0.iter()
    }
}

impl Upstream {
    fn new(
        config: &UpstreamConfig,
        http: &HttpConfig,
        forwarded: Arc<Forwarded>,
    ) -> Result<Self, UpstreamError> {
        let secret = |prefix: &str| {
            let key = config.api_key.as_ref().map(|key| {
                let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose_secret()))
                    .map_err(|_| UpstreamError::Key(config.name.clone()))?;
                value.set_sensitive(true);
                Ok::<_, UpstreamError>(value)
            });
            key.transpose()
        };
        let dialect = config.dialect;
        Ok(Self {
            name: config.name.clone(),
            client: client(http).build()?,
            fresh: client(http).pool_max_idle_per_host(0).build()?,
            base: config.base().to_owned(),
            authorization: secret("Bearer ")?,
            api_key: secret("")?,
            forwarded,
            reports_usage_continuously: dialect.is_some_and(Dialect::reports_usage_continuously),
            reports_one_choice: dialect.is_some_and(Dialect::reports_one_choice),
            first_byte_timeout: http.first_byte_timeout,
        })
    }

    /// Whether it is asked to report usage with every chunk of a stream.
    pub(crate) const fn reports_usage_continuously(&self) -> bool {
        self.reports_usage_continuously
    }

    /// Whether its reports of usage leave out all choices but one.
    pub(crate) const fn reports_one_choice(&self) -> bool {
        self.reports_one_choice
    }

    /// Sends a request. Returns the answer with the headers that a client may see, or an error response.
    pub(crate) async fn ask(&self, request: UpstreamRequest<'_>) -> Response {
        match self.send(request).await {
            Ok(answer) => answer,
            Err(error) => error.into_response(),
        }
    }

    /// Sends a request and waits for the head of the answer.
    async fn send(&self, request: UpstreamRequest<'_>) -> Result<Response, ApiError> {
        let asking = async {
            let since = Instant::now();
            match self.request(&self.client, &request).send().await {
                // A server may close a connection that it kept open just as a request comes, which it then has not read.
                Err(error) if is_closed(&error) && since.elapsed() < STALE_WITHIN => {
                    self.request(&self.fresh, &request).send().await
                }
                answered => answered,
            }
        };
        let answer = match tokio::time::timeout(self.first_byte_timeout, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unanswered(&self.name, error)),
            Err(_) => return Err(ApiError::upstream_timeout()),
        };
        check_head(&self.name, &answer)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = returned_headers(answer.headers());
        *response.body_mut() = Body::new(reqwest::Body::from(answer));
        Ok(response)
    }

    fn request(&self, client: &reqwest::Client, request: &UpstreamRequest<'_>) -> RequestBuilder {
        let url = format!("{}{}", self.base, request.path);
        let mut sending = client
            .request(request.method.clone(), url)
            .headers(self.forwarded.of(request.client_headers))
            .body(request.body.clone());
        if let Some(content_type) = &request.content_type {
            sending = sending.header(CONTENT_TYPE, content_type.clone());
        }
        for (name, value) in request.tier_headers {
            sending = sending.header(name, value);
        }
        if let Some(authorization) = &self.authorization {
            sending = sending.header("authorization", authorization.clone());
        }
        match &self.api_key {
            Some(key) if request.path.starts_with(Endpoint::Messages.path()) => {
                sending.header("x-api-key", key.clone())
            }
            _ => sending,
        }
    }

    /// The names of the models that the upstream lists, within a few seconds; none if it does not say.
    pub(crate) async fn models(&self) -> Vec<String> {
        let headers = HeaderMap::new();
        let request = UpstreamRequest {
            method: Method::GET,
            path: MODELS,
            client_headers: &headers,
            content_type: None,
            tier_headers: &[],
            body: Bytes::new(),
        };
        let listing = async {
            let answer = self.request(&self.client, &request).send().await.ok()?;
            let body = answer.error_for_status().ok()?.bytes().await.ok()?;
            serde_json::from_slice::<Value>(&body).ok()
        };
        let list = tokio::time::timeout(MODELS_TIMEOUT, listing).await;
        let list = list.ok().flatten().unwrap_or_default();
        let models = list.get("data").and_then(Value::as_array);
        let ids = models
            .into_iter()
            .flatten()
            .filter_map(|model| model.get("id"));
        ids.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn client(http: &HttpConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(http.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        // Proxy settings of the environment are ignored: only the configuration says where requests go.
        .no_proxy()
        // Compressed answers cannot be metered, and answers are passed on unchanged.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
}

impl Forwarded {
    /// Reads a list of names, in which a `*` at the end stands for any text.
    fn new(list: &[String]) -> Self {
        let (prefixes, names): (Vec<_>, Vec<_>) = list
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .partition(|name| name.ends_with('*'));
        Self {
            names,
            prefixes: prefixes
                .iter()
                .map(|prefix| prefix.trim_end_matches('*').to_owned())
                .collect(),
        }
    }

    /// The client's headers that are passed on.
    fn of(&self, client: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in client {
            let text = name.as_str();
            let is_listed = self.names.iter().any(|listed| listed == text)
                || self
                    .prefixes
                    .iter()
                    .any(|prefix| text.starts_with(prefix.as_str()));
            if is_listed && !NEVER_FORWARDED.contains(&text) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers
    }
}

/// Whether the connection was closed before a byte of the answer came.
fn is_closed(error: &reqwest::Error) -> bool {
    if error.is_connect() || error.is_timeout() {
        return false;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

fn unanswered(upstream: &str, error: reqwest::Error) -> ApiError {
    let api_error = if error.is_timeout() {
        ApiError::upstream_timeout()
    } else if error.is_connect() {
        ApiError::upstream_unreachable()
    } else {
        ApiError::upstream_invalid("the upstream closed the connection without an answer")
    };
    // The URL is left out, because it may contain a secret.
    let cause = with_causes(&error.without_url());
    tracing::warn!(upstream, code = api_error.code, %cause, "the upstream did not answer");
    api_error
}

/// Rejects answers of the upstream that must not be passed on as this provider's own.
fn check_head(upstream: &str, response: &reqwest::Response) -> Result<(), ApiError> {
    let status = response.status();
    let speaks_of_credentials = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::PAYMENT_REQUIRED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    if speaks_of_credentials {
        tracing::error!(upstream, %status, "the upstream rejected the credentials: check its API key");
        let message = "the upstream rejected this provider's credentials: tell the provider";
        return Err(ApiError::upstream_invalid(message));
    }
    if status.is_redirection() || status.is_informational() {
        let message = "the upstream answered with a redirect, which this provider does not follow";
        return Err(ApiError::upstream_invalid(message));
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    if status.is_success() && encoding.is_some_and(|encoding| encoding != "identity") {
        let message = "the upstream compressed its answer, which cannot be metered";
        return Err(ApiError::upstream_invalid(message));
    }
    Ok(())
}

/// The upstream's headers that are returned to the client.
fn returned_headers(upstream: &HeaderMap) -> HeaderMap {
    let named_by_connection: Vec<String> = upstream
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers = HeaderMap::new();
    for (name, value) in upstream {
        let is_kept = !NOT_RETURNED.contains(&name.as_str())
            && !name.as_str().starts_with(NOT_RETURNED_PREFIX)
            && !named_by_connection
                .iter()
                .any(|named| named == name.as_str());
        if is_kept {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers
}
