//! The HTTP client of the upstream: sends requests with the provider's API key and maps every failure to an
//! [`ApiError`].

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use farthing_wire::causes::with_causes;
use secrecy::ExposeSecret;

use super::error::ApiError;
use crate::config::HttpConfig;

/// Content type of the requests that are sent to a model.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Client headers that are forwarded to the upstream. All others are dropped: credentials, payments, and headers that
/// the upstream might apply to the provider's own account.
const FORWARDED: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];
/// Names of further client headers that are forwarded, for which the `http` crate has no constant.
const FORWARDED_BY_NAME: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];
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

/// Client of the upstream, with its timeout and the provider's key.
#[derive(Debug)]
pub(crate) struct Upstream {
    client: reqwest::Client,
    base: String,
    authorization: Option<HeaderValue>,
    first_byte_timeout: Duration,
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
    #[error("http.upstream_api_key has characters that are not allowed in a header: check the key")]
    Key,
}

impl Upstream {
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, UpstreamError> {
        let authorization = config
            .upstream_api_key
            .as_ref()
            .map(|key| {
                let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
                    .map_err(|_| UpstreamError::Key)?;
                value.set_sensitive(true);
                Ok::<_, UpstreamError>(value)
            })
            .transpose()?;
        Ok(Self {
            client: reqwest::Client::builder()
                .connect_timeout(config.connect_timeout)
                .redirect(reqwest::redirect::Policy::none())
                // Proxy settings of the environment are ignored: only the configuration says where requests go.
                .no_proxy()
                // Compressed answers cannot be metered, and answers are passed on unchanged.
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .build()?,
            base: config.upstream_base().to_owned(),
            authorization,
            first_byte_timeout: config.first_byte_timeout,
        })
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
        let url = format!("{}{}", self.base, request.path);
        let mut sending = self
            .client
            .request(request.method, url)
            .headers(forwarded(request.client_headers))
            .body(request.body);
        if let Some(content_type) = request.content_type {
            sending = sending.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in request.tier_headers {
            sending = sending.header(name, value);
        }
        if let Some(authorization) = &self.authorization {
            sending = sending.header("authorization", authorization.clone());
        }
        let answer = match tokio::time::timeout(self.first_byte_timeout, sending.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unanswered(error)),
            Err(_) => return Err(ApiError::upstream_timeout()),
        };
        check_head(&answer)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = returned_headers(answer.headers());
        *response.body_mut() = Body::new(reqwest::Body::from(answer));
        Ok(response)
    }
}

fn forwarded(client_headers: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let by_name = FORWARDED_BY_NAME.map(HeaderName::from_static);
    for name in FORWARDED.into_iter().chain(by_name) {
        if let Some(value) = client_headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

fn unanswered(error: reqwest::Error) -> ApiError {
    let api_error = if error.is_timeout() {
        ApiError::upstream_timeout()
    } else if error.is_connect() {
        ApiError::upstream_unreachable()
    } else {
        ApiError::upstream_invalid("the upstream closed the connection without an answer")
    };
    // The URL is left out, because it may contain a secret.
    let cause = with_causes(&error.without_url());
    tracing::warn!(code = api_error.code, %cause, "the upstream did not answer");
    api_error
}

/// Rejects answers of the upstream that must not be passed on as this provider's own.
fn check_head(response: &reqwest::Response) -> Result<(), ApiError> {
    let status = response.status();
    let speaks_of_credentials = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::PAYMENT_REQUIRED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    if speaks_of_credentials {
        tracing::error!(%status, "the upstream rejected the credentials: check http.upstream_api_key");
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
