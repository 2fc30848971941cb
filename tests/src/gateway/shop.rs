//! An axum application that sells its own handlers through the layer, over a real socket.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use farthing_verifier::{AnswerPrice, BaseUnits, Charged, RoutePrice, Seller};
use futures_util::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::{Layer, Service};

/// 100 base units a request, 1 a byte of its body, 2 a byte of the answer, of which there are at most 60.
pub const PRICE: RoutePrice = RoutePrice {
    per_request: BaseUnits(100),
    per_million_request_bytes: BaseUnits(1_000_000),
    answer: Some(AnswerPrice {
        per_million_bytes: BaseUnits(2_000_000),
        max_bytes: 60,
    }),
    minimum: BaseUnits(0),
};
/// An event of the streams, 11 bytes.
pub const EVENT: &str = "data: one\n\n";

/// Records what the handlers have done.
#[derive(Debug, Default)]
pub struct Seen {
    calls: AtomicUsize,
    streams_open: AtomicUsize,
    finished: AtomicUsize,
    go: Notify,
}

/// A running application.
#[derive(Debug)]
pub struct Shop {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Shop {
    /// Starts an application that sells through `seller`: `/goods/…` and, in a nested router, `/within/goods/…`.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn open(seller: &Seller) -> Self {
        let seen = Arc::<Seen>::default();
        let goods = || {
            Router::new()
                .route("/goods/{what}", any(serve))
                .with_state(Arc::clone(&seen))
                .route_layer(seller.layer(PRICE))
        };
        let router = goods()
            .nest("/within", goods())
            .route_service("/picky", seller.layer(PRICE).layer(Picky::default()))
            .merge(seller.routes());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    /// A URL of the application.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Number of times that a handler was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    /// Number of times that a slow handler completed.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.seen.finished.load(Ordering::SeqCst)
    }

    /// Number of streams that handlers are still producing.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.seen.streams_open.load(Ordering::SeqCst)
    }

    /// Allows one slow handler to answer.
    pub fn go(&self) {
        self.seen.go.notify_one();
    }
}

/// Counts a stream as open while it exists.
struct OpenStream(Arc<Seen>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams_open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(State(seen): State<Arc<Seen>>, Path(what): Path<String>, body: Bytes) -> Response {
    seen.calls.fetch_add(1, Ordering::SeqCst);
    let first = stream::iter([Ok(Bytes::from_static(EVENT.as_bytes()))]);
    match what.as_str() {
        "echo" => body.into_response(),
        "cheap" => with_charge(3),
        "greedy" => with_charge(u64::MAX),
        "missing" => (StatusCode::NOT_FOUND, "not here").into_response(),
        "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "panic" => panic!("a handler of the test"),
        "slow" => {
            seen.go.notified().await;
            seen.finished.fetch_add(1, Ordering::SeqCst);
            "at last".into_response()
        }
        "cut" => {
            let cut = stream::iter([Err(io::Error::other("the handler gave up"))]);
            Body::from_stream(first.chain(cut)).into_response()
        }
        "panics-later" => Body::from_stream(first.chain(panicking())).into_response(),
        "events" => events(&seen, first),
        "events-cheap" => {
            let mut response = events(&seen, first);
            response.extensions_mut().insert(Charged(BaseUnits(5)));
            response
        }
        "events-cut" => {
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("the handler gave up"))
            });
            events(&seen, first.chain(cut))
        }
        "events-panic" => events(&seen, first.chain(panicking())),
        "events-stall" => events(&seen, first.chain(stream::pending())),
        "events-endless" => events(
            &seen,
            stream::repeat(()).then(|()| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(Bytes::from_static(EVENT.as_bytes()))
            }),
        ),
        other => panic!("no test sells {other}"),
    }
}

fn with_charge(charge: u64) -> Response {
    let mut response = "something".into_response();
    response.extensions_mut().insert(Charged(BaseUnits(charge)));
    response
}

/// Panics, after a pause in which the data sent before is transmitted.
fn panicking() -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        panic!("a stream of the test")
    })
}

fn events(
    seen: &Arc<Seen>,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    seen.streams_open.fetch_add(1, Ordering::SeqCst);
    let open = OpenStream(Arc::clone(seen));
    let bytes = bytes.map(move |item| {
        let _open = &open;
        item
    });
    let headers = [("content-type", "text/event-stream")];
    (headers, Body::from_stream(bytes)).into_response()
}

/// A service that panics if it is called without having been polled for readiness first, as services may.
#[derive(Debug, Default)]
struct Picky {
    is_ready: bool,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request> for Picky {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        assert!(self.is_ready, "called without being asked");
        self.is_ready = false;
        ready(Ok("ready".into_response()))
    }
}
