//! A local proxy that pays for every request, so that unmodified clients can buy from the provider: any OpenAI or
//! Anthropic client, and any HTTP client of the provider's plain routes.
//!
//! Every client that can reach the proxy spends from its lanes, so it is meant for one user's own programs: `access`
//! keeps web pages out. A client that gives up and asks again gets what its first attempt bought (`purchases`).

mod access;
mod error;
mod headers;
mod lanes;
mod log;
mod purchases;
mod streams;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use farthing_client::paying_client::{
    FinishedAnswer, PaidAnswer, PaidRequest, PayingClient, Receipt,
};
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::IDEMPOTENCY_KEY;
use farthing_wire::pricing::Endpoint;
use farthing_wire::receipt::request_digest;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

pub use access::Access;
pub use lanes::{LaneFolder, Lanes, Opener};
pub use log::{RequestLog, Served};

use error::ProxyError;
use log::Asked;
use purchases::{Attempt, Bought, Purchases};
use streams::events;

/// Maximum length of a request body, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// How long a purchase that nobody waits for lives on, unless configured otherwise.
pub const DEFAULT_LINGER: Duration = Duration::from_secs(10);
/// Header by which clients made with Stainless, such as OpenAI's and Anthropic's, count their retries.
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// How a proxy serves.
#[derive(Debug, Default)]
pub struct ProxyOptions {
    /// Who may use it.
    pub access: Access,
    /// How long a purchase whose client has disconnected before anything was delivered waits for a retry.
    pub linger: Option<Duration>,
    /// Told about every request.
    pub log: Option<Box<dyn RequestLog>>,
}

/// What the proxy has paid for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Number of requests with a receipt.
    pub requests: u64,
    /// What was charged since the proxy started: what the provider's books say, or else the sum of the receipts.
    pub charged: BaseUnits,
    /// Upper bound of what the lanes were charged and have reserved, including before this proxy started.
    pub at_most: BaseUnits,
}

#[derive(Debug)]
struct Shared {
    lanes: Lanes,
    access: Access,
    purchases: Arc<Purchases>,
    log: Option<Box<dyn RequestLog>>,
    requests: AtomicU64,
    charged: AtomicU64,
    /// Tasks that go on after their clients have disconnected.
    tasks: TaskTracker,
}

impl Shared {
    /// Adds an answer's charge to the counters, if its receipt has arrived.
    fn count(&self, asked: &Asked, status: u16, receipt: Option<&Receipt>) {
        if let Some(receipt) = receipt {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.charged.fetch_add(receipt.charged.0, Ordering::Relaxed);
        }
        self.tell(asked, status, receipt);
    }

    fn tell(&self, asked: &Asked, status: u16, receipt: Option<&Receipt>) {
        if let Some(log) = &self.log {
            log.served(&asked.served(status, receipt));
        }
    }

    fn spent(&self) -> Spent {
        let used = self.lanes.used();
        let at_most = used.iter().map(|client| client.spent_at_most().0).sum();
        Spent {
            requests: self.requests.load(Ordering::Relaxed),
            charged: BaseUnits(self.charged.load(Ordering::Relaxed)),
            at_most: BaseUnits(at_most),
        }
    }

    /// Asks the provider what its books say of the lanes.
    async fn settled(&self) -> Spent {
        let used = self.lanes.used();
        let charged = used.iter().map(PayingClient::charged_since_first_state);
        let charged = join_all(charged).await.into_iter();
        let by_books: Option<u64> = charged.map(|charged| Some(charged?.0)).sum();
        let spent = self.spent();
        Spent {
            charged: by_books.map_or(spent.charged, BaseUnits),
            ..spent
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
        Self::start_with(Lanes::One(client), address, ProxyOptions::default()).await
    }

    /// Starts to serve at an address, paying from these lanes.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start_with(
        lanes: Lanes,
        address: SocketAddr,
        options: ProxyOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let linger = options.linger.unwrap_or(DEFAULT_LINGER);
        let shared = Arc::new(Shared {
            lanes,
            access: options.access,
            purchases: Arc::new(Purchases::new(linger)),
            log: options.log,
            requests: AtomicU64::new(0),
            charged: AtomicU64::new(0),
            tasks: TaskTracker::new(),
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
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.settled().await
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let origins = &shared.access.origins;
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request());
    Router::new()
        .route("/v1/models", get(models))
        .fallback(pay)
        .method_not_allowed_fallback(pay)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&shared), check_access))
        .layer(cors)
        .with_state(shared)
}

async fn check_access(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let access = &shared.access;
    let headers = request.headers();
    // Before the body is read.
    let checked = access
        .check(headers)
        .and_then(|()| access.lane_chosen(headers));
    match checked {
        Ok(_) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn models(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, ProxyError> {
    let chosen = shared.access.lane_chosen(&headers)?;
    let answer = shared.lanes.any(chosen).await?.models().await?;
    let answer = answer.finish().await?;
    Ok(whole(&answer))
}

/// Pays for a request to a model, and for one of any other route, whether or not the provider sells it.
async fn pay(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProxyError> {
    let body = body.map_err(|rejection| ProxyError::not_read(&rejection))?;
    let chosen = shared.access.lane_chosen(&headers)?;
    let (lane, client) = shared.lanes.chosen(chosen).await?;
    let endpoint = Endpoint::at(uri.path()).filter(|_| method == Method::POST);
    // The body is read for the model's name only where it is told.
    let model_of = endpoint.filter(|_| shared.log.is_some()).map(|_| &body);
    let asked = Asked::new(Arc::clone(&lane), &uri, model_of);
    let digest = request_digest(
        method.as_str(),
        uri.path(),
        uri.query().unwrap_or_default(),
        &[access::api_key(&headers).as_bytes(), b"\n", &body].concat(),
    );
    let request = request(endpoint, method, &uri, &headers, body)?;
    let key = headers.get(IDEMPOTENCY_KEY);
    let attempt = Attempt {
        fingerprint: (lane, digest),
        key: key.and_then(|key| key.to_str().ok()).map(str::to_owned),
        is_retry: is_retry(&headers),
    };
    let buy = {
        let (shared, asked) = (Arc::clone(&shared), asked.clone());
        // Counted among the tasks, so that a shutdown waits for it.
        let token = shared.tasks.token();
        move || async move {
            let bought = buy(&shared, &asked, &client, request).await;
            drop(token);
            bought
        }
    };
    let bought = shared.purchases.outcome(attempt, buy).await;
    match &*bought {
        Bought::Whole(answer) => Ok(whole(answer)),
        Bought::Stream(stream) => {
            let answer = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            match answer {
                Some(answer) => Ok(stream_of(shared, asked, *answer)),
                None => Err(ProxyError::delivered_elsewhere()),
            }
        }
        Bought::Failed(error) => Err(error.clone()),
    }
}

/// The request to pay for. A model's body is sent byte for byte as the client sent it.
fn request(
    endpoint: Option<Endpoint>,
    method: Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<PaidRequest, ProxyError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = match endpoint {
        Some(endpoint) => PaidRequest::of_model(endpoint, body).with_query(uri.query()),
        None => PaidRequest::plain(method, path, body),
    };
    let request = request.with_headers(headers::to_provider(headers));
    match headers.get(IDEMPOTENCY_KEY) {
        Some(key) => {
            let key = key.to_str().unwrap_or_default().parse();
            Ok(request.with_key(key.map_err(ProxyError::key)?))
        }
        None => Ok(request),
    }
}

/// Whether a client says that it has asked before.
fn is_retry(headers: &HeaderMap) -> bool {
    let count = headers.get(RETRY_COUNT);
    let count = count.and_then(|count| count.to_str().ok()?.parse::<u32>().ok());
    count.is_some_and(|count| count > 0)
}

/// Buys an answer. One that is not a stream is read to its end, so that the client gets an error if it breaks off.
async fn buy(
    shared: &Shared,
    asked: &Asked,
    client: &PayingClient,
    request: PaidRequest,
) -> Bought {
    let answer = match client.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            let error = ProxyError::from(error);
            shared.tell(asked, error.status(), None);
            return Bought::Failed(error);
        }
    };
    if answer.is_stream() {
        return Bought::Stream(Mutex::new(Some(Box::new(answer))));
    }
    // The charge is known with the head, and stays if the answer then breaks off.
    let receipt = answer.receipt().cloned();
    let bought = match answer.finish().await {
        Ok(answer) => Bought::Whole(answer),
        Err(error) => Bought::Failed(error.into()),
    };
    let status = match &bought {
        Bought::Failed(error) => error.status(),
        Bought::Whole(answer) => answer.status,
        Bought::Stream(_) => StatusCode::OK.as_u16(),
    };
    shared.count(asked, status, receipt.as_ref());
    bought
}

fn whole(answer: &FinishedAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = headers::to_client(&answer.headers);
    response
}

fn stream_of(shared: Arc<Shared>, asked: Asked, answer: PaidAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = headers::to_client(answer.headers());
    let mut response = Response::new(Body::from_stream(events(shared, asked, answer)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
