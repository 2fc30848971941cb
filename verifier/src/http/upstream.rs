//! The upstream: one request with the provider's key, and an answer whose failures have names.

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

/// Type of a body that a model is asked with.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What of a client's headers an upstream may see. Everything else stays here: credentials, payments,
/// and whatever an upstream might take for an instruction to its own account.
const FORWARDED: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];
/// The same, for names without a constant.
const FORWARDED_BY_NAME: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];
/// What of an upstream's headers a client does not see: what belongs to one connection, what is
/// computed anew, and what would speak in this provider's name.
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
/// Which pages may read an answer is this provider's decision, whatever its upstream says.
const NOT_RETURNED_PREFIX: &str = "access-control-";

/// The upstream with its limits.
#[derive(Debug)]
pub(crate) struct Upstream {
    client: reqwest::Client,
    base: String,
    authorization: Option<HeaderValue>,
    first_byte_timeout: Duration,
}

/// What the upstream is asked.
pub(crate) struct UpstreamRequest<'a> {
    pub(crate) method: Method,
    /// With its query, if it has one.
    pub(crate) path: &'a str,
    pub(crate) client_headers: &'a HeaderMap,
    pub(crate) content_type: Option<HeaderValue>,
    /// What tells the upstream of a tier.
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
    #[error("http.upstream_api_key has characters that a header cannot carry")]
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
                // The configuration says where requests go, not the environment.
                .no_proxy()
                // What is metered must not be compressed, and what passes must not be changed.
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

    /// Asks, and answers with what of it a client may see, or with an error.
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
    // Without the URL, in which there may be a secret.
    let cause = with_causes(&error.without_url());
    tracing::warn!(code = api_error.code, %cause, "the upstream did not answer");
    api_error
}

/// Refuses answers that must not pass for this provider's own.
fn check_head(response: &reqwest::Response) -> Result<(), ApiError> {
    let status = response.status();
    let speaks_of_credentials = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::PAYMENT_REQUIRED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    if speaks_of_credentials {
        tracing::error!(%status, "the upstream refuses this provider's credentials");
        let message = "the upstream refuses this provider: tell its operator";
        return Err(ApiError::upstream_invalid(message));
    }
    if status.is_redirection() || status.is_informational() {
        let message = "the upstream redirects, which this provider does not follow";
        return Err(ApiError::upstream_invalid(message));
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    if status.is_success() && encoding.is_some_and(|encoding| encoding != "identity") {
        let message = "the upstream compressed its answer, which cannot be metered";
        return Err(ApiError::upstream_invalid(message));
    }
    Ok(())
}

/// What of an upstream's headers a client sees.
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
