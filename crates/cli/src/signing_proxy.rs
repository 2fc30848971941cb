//! A local proxy that pays for every request from one lane, so that unmodified clients can buy from the provider: any
//! OpenAI client, and any HTTP client of the provider's plain routes.
//!
//! Every client that can reach the proxy spends from the lane, so it is meant for one user's own programs. Web pages
//! are kept out: browsers send an `Origin` header, and requests with that header are refused.

mod error;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
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
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use error::ProxyError;

/// Says of a browser's request who asks for it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// How long a stream's receipt may take after the client disconnected.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of a request body, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What the proxy has paid for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Number of requests with a receipt.
    pub requests: u64,
    /// Sum of the charges in those receipts.
    pub charged: BaseUnits,
    /// Upper bound of what the lane was charged and has reserved, including before this proxy started.
    pub at_most: BaseUnits,
}

#[derive(Debug)]
struct Shared {
    client: PayingClient,
    requests: AtomicU64,
    charged: AtomicU64,
    /// Waits for the receipts of streams whose clients have disconnected.
    receipts: TaskTracker,
}

impl Shared {
    /// Adds an answer's charge to the counters, if its receipt has arrived.
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
    /// Starts to serve at an address, paying with this client.
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
            receipts: TaskTracker::new(),
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

    /// URL of the proxy. Clients use it with `/v1` appended as their base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was paid for so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.shared.spent()
    }

    /// Stops accepting requests, and returns when the in-flight requests have ended.
    pub async fn shutdown(self) -> Spent {
        self.stop.cancel();
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the proxy's server failed"),
            Err(error) => tracing::error!(%error, "the proxy's server task panicked"),
        }
        self.shared.receipts.close();
        self.shared.receipts.wait().await;
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
    let headers = request.headers();
    // Browsers send no origin with images and links, but say that a page asks.
    let asks_for_page = headers
        .get(SEC_FETCH_SITE)
        .is_some_and(|site| site != "none");
    if headers.contains_key(ORIGIN) || asks_for_page || !is_local_name(headers) {
        return ProxyError::web_page().into_response();
    }
    next.run(request).await
}

/// Whether the `Host` is an address or a name that no stranger can register: a page may let a domain of its own point to
/// this machine.
fn is_local_name(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or("."));
    let Some(authority) = host.map(str::parse::<Authority>) else {
        return true;
    };
    let Ok(authority) = authority else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let is_private = |name: &str| {
        let suffixes = [".localhost", ".local", ".internal"];
        !name.contains('.') || suffixes.iter().any(|suffix| name.ends_with(suffix))
    };
    name.parse::<IpAddr>().is_ok() || is_private(&name.to_ascii_lowercase())
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

/// Handles any other route, whether or not the provider sells it.
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

/// The status and the headers that are passed to the client.
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

/// Passes on an answer that is not a stream. It is buffered until it is complete, so that the client gets an error if
/// the answer breaks off.
async fn whole(shared: &Shared, answer: PaidAnswer) -> Result<Response, ProxyError> {
    let (status, headers) = head(&answer);
    shared.count(&answer);
    let answer = answer.finish().await?;
    Ok((status, headers, answer.body).into_response())
}

/// A stream, chunk by chunk as it arrives.
fn events(shared: Arc<Shared>, answer: PaidAnswer) -> impl Stream<Item = io::Result<Bytes>> {
    let passing = Passing {
        shared,
        answer: Some(answer),
        line_has_ended: true,
        last_event: LastEvent::default(),
        has_ended: false,
    };
    stream::unfold(passing, |mut passing| async move {
        // The answer stays in its place while it is waited for, since a client that disconnects drops all of this.
        let next = passing.answer.as_mut()?.next_chunk().await;
        if let Ok(Some(chunk)) = next {
            passing.line_has_ended = chunk.ends_with(b"\n");
            passing.has_ended |= passing.last_event.is_in(&chunk);
            return Some((Ok(chunk), passing));
        }
        if let Some(answer) = passing.answer.take() {
            passing.shared.count(&answer);
        }
        let error = next.err()?;
        Some((broken(&error, passing.line_has_ended), passing))
    })
}

/// A stream that is passed on. Clients close the connection at the last event, before the receipt that follows it: then
/// the receipt is still waited for, so that the charge is known and not the maximum.
struct Passing {
    shared: Arc<Shared>,
    /// `None` once it was read to its end.
    answer: Option<PaidAnswer>,
    line_has_ended: bool,
    last_event: LastEvent,
    /// Whether the last event of the API has passed.
    has_ended: bool,
}

impl Drop for Passing {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take().filter(|_| self.has_ended) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        self.shared.receipts.spawn(async move {
            let rest = async { while let Ok(Some(_)) = answer.next_chunk().await {} };
            if timeout(RECEIPT_TIMEOUT, rest).await.is_err() {
                tracing::debug!("a stream's receipt did not arrive after its client disconnected");
            }
            shared.count(&answer);
        });
    }
}

/// Looks for the event after which an API of OpenAI sends nothing more, in whatever chunks it comes.
#[derive(Default)]
struct LastEvent {
    /// The end of what was seen, as long as the event's beginning could be.
    tail: Vec<u8>,
}

impl LastEvent {
    const MARKS: [&[u8]; 2] = [b"data: [DONE]", b"event: response.completed"];

    /// Whether it has come with this chunk.
    fn is_in(&mut self, chunk: &[u8]) -> bool {
        self.tail.extend_from_slice(chunk);
        let found = Self::MARKS.iter().any(|mark| {
            let mut windows = self.tail.windows(mark.len());
            windows.any(|window| window == *mark)
        });
        let longest = Self::MARKS.iter().map(|mark| mark.len()).max();
        let excess = self.tail.len().saturating_sub(longest.unwrap_or_default());
        self.tail.drain(..excess);
        found
    }
}

/// Reports to the client that a stream broke off: by an error event or, if it broke off within an event, by an aborted
/// connection.
fn broken(error: &PayError, line_has_ended: bool) -> io::Result<Bytes> {
    tracing::warn!(%error, "a stream from the provider broke off");
    if line_has_ended {
        Ok(ProxyError::from(error).event())
    } else {
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            error.to_string(),
        ))
    }
}
