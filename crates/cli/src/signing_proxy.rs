//! A proxy on this machine that pays for every request with one lane, so that any OpenAI client, and whatever else asks
//! for something that the provider sells, can be used as it is.
//!
//! Whoever reaches it spends from the lane, so it is for one user's own programs. Web pages are kept out: a browser names
//! the page in `Origin`, and what has that header is refused.

mod error;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use farthing_client::paying_client::{PaidAnswer, PaidRequest, PayError, PayingClient};
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::IDEMPOTENCY_KEY;
use farthing_wire::pricing::Endpoint;
use futures_util::{Stream, stream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use error::ProxyError;

/// Longest request, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What was paid for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Requests with a receipt.
    pub requests: u64,
    /// What they cost by their receipts.
    pub charged: BaseUnits,
    /// What the lane was charged and has reserved at most, also before this began.
    pub at_most: BaseUnits,
}

#[derive(Debug)]
struct Shared {
    client: PayingClient,
    requests: AtomicU64,
    charged: AtomicU64,
}

impl Shared {
    /// Counts what an answer cost, once that is known.
    fn count(&self, answer: &PaidAnswer) {
        if let Some(receipt) = answer.receipt() {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.charged.fetch_add(receipt.charged.0, Ordering::Relaxed);
        }
    }

    fn spent(&self) -> Spent {
        Spent {
            requests: self.requests.load(Ordering::Relaxed),
            charged: BaseUnits(self.charged.load(Ordering::Relaxed)),
            at_most: self.client.spent_at_most(),
        }
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct SigningProxy {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
    shared: Arc<Shared>,
}

impl SigningProxy {
    /// Serves at an address with this client.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(client: PayingClient, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            client,
            requests: AtomicU64::new(0),
            charged: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = router(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            address,
            stop,
            server,
            shared,
        })
    }

    /// Its URL. Clients take it with `/v1` as their base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was paid for so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.shared.spent()
    }

    /// Takes no new requests, and ends when those in flight have ended.
    pub async fn shutdown(self) -> Spent {
        self.stop.cancel();
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the proxy stopped listening"),
            Err(error) => tracing::error!(%error, "the proxy panicked"),
        }
        self.shared.spent()
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new().route("/v1/models", get(models));
    for endpoint in Endpoint::ALL {
        let handler = async move |State(shared): State<Arc<Shared>>, headers: HeaderMap, body| {
            pay(endpoint, shared, &headers, body).await
        };
        router = router.route(endpoint.path(), post(handler));
    }
    router
        .fallback(pay_plain)
        .method_not_allowed_fallback(pay_plain)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(refuse_web_pages))
        .with_state(shared)
}

async fn refuse_web_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return ProxyError::web_page().into_response();
    }
    next.run(request).await
}

async fn models(State(shared): State<Arc<Shared>>) -> Result<Response, ProxyError> {
    whole(&shared, shared.client.models().await?).await
}

async fn pay(
    endpoint: Endpoint,
    shared: Arc<Shared>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProxyError> {
    let body = body.map_err(|rejection| ProxyError::not_read(&rejection))?;
    let body = serde_json::from_slice(&body).map_err(|error| ProxyError::not_json(&error))?;
    send(shared, headers, PaidRequest::new(endpoint, body)).await
}

/// Any other route, which the provider may sell or not.
async fn pay_plain(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProxyError> {
    let body = body.map_err(|rejection| ProxyError::not_read(&rejection))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = PaidRequest::plain(method, path, body);
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        request = request.with_content_type(content_type.clone());
    }
    send(shared, &headers, request).await
}

async fn send(
    shared: Arc<Shared>,
    headers: &HeaderMap,
    mut request: PaidRequest,
) -> Result<Response, ProxyError> {
    if let Some(key) = headers.get(IDEMPOTENCY_KEY) {
        let key = key.to_str().unwrap_or_default().parse();
        request = request.with_key(key.map_err(ProxyError::key)?);
    }
    let answer = shared.client.send(request).await?;
    if answer.is_stream() {
        let (status, headers) = head(&answer);
        let body = Body::from_stream(events(shared, answer));
        Ok((status, headers, body).into_response())
    } else {
        whole(&shared, answer).await
    }
}

/// The status, and the headers that mean something to a client.
fn head(answer: &PaidAnswer) -> (StatusCode, HeaderMap) {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::new();
    let content_type = answer
        .content_type()
        .and_then(|kind| HeaderValue::from_str(kind).ok());
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    (status, headers)
}

/// An answer that is no stream passes when it is complete, so that a client is told if it does not become so.
async fn whole(shared: &Shared, answer: PaidAnswer) -> Result<Response, ProxyError> {
    let (status, headers) = head(&answer);
    shared.count(&answer);
    let answer = answer.finish().await?;
    Ok((status, headers, answer.body).into_response())
}

/// A stream, as it arrives.
fn events(shared: Arc<Shared>, answer: PaidAnswer) -> impl Stream<Item = io::Result<Bytes>> {
    let passing = Some((answer, true));
    stream::unfold(passing, move |passing| {
        let shared = Arc::clone(&shared);
        async move {
            let (mut answer, line_has_ended) = passing?;
            match answer.next_chunk().await {
                Ok(Some(chunk)) => {
                    let line_has_ended = chunk.ends_with(b"\n");
                    Some((Ok(chunk), Some((answer, line_has_ended))))
                }
                Ok(None) => {
                    shared.count(&answer);
                    None
                }
                Err(error) => {
                    shared.count(&answer);
                    Some((broken(&error, line_has_ended), None))
                }
            }
        }
    })
}

/// What a client is told when there is no more: an event that is an error or, within another event, a connection that
/// breaks.
fn broken(error: &PayError, line_has_ended: bool) -> io::Result<Bytes> {
    tracing::warn!(%error, "a stream broke off");
    if line_has_ended {
        Ok(ProxyError::from(error).event())
    } else {
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            error.to_string(),
        ))
    }
}
