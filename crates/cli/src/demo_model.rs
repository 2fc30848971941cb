//! The demo model: an OpenAI-compatible chat completions endpoint that generates text without a real model.
//!
//! It answers deterministically, as JSON or as server-sent events, and reports a usage that follows from its
//! input. It takes about as long per token as a small model would. It exists so that `farthing dev` needs no external
//! service, and it is named as a demo model wherever it appears.
//!
//! Nothing about payment belongs here: to the gateway, the demo model is an ordinary upstream.

mod completion;
mod request;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{Listener, ListenerExt};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use completion::Completion;
use request::{Request, RequestError};

/// Name of the model that the demo sells.
pub const MODEL: &str = "demo-model";
/// Name under which the demo's gateway serves the demo model for free.
pub const FREE_MODEL: &str = "demo-free";
/// Maximum number of output tokens of one answer.
pub const MAX_OUTPUT_TOKENS: u32 = 96;
/// A model whose answers are as long as they may be, for whoever measures streams.
pub const LONG_MODEL: &str = "demo-long";
/// The most tokens of one of its answers.
pub const MAX_LONG_OUTPUT_TOKENS: u32 = 1_024;

/// Length of the listen backlog: the gateway may open one connection per in-flight request at the same time.
const BACKLOG: u32 = 4_096;

/// Simulated latency of the demo model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Time until the first token.
    pub first_token: Duration,
    /// Time between tokens.
    pub per_token: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            first_token: Duration::from_millis(6),
            per_token: Duration::from_millis(1),
        }
    }
}

/// A running demo model. Dropping it stops it at once.
pub struct DemoModel {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl DemoModel {
    /// Serves on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(latency: Latency) -> std::io::Result<Self> {
        let listener = listen()?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(models))
            .with_state(latency);
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            address,
            stop,
            server,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the server immediately and cuts off answers in progress.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.server.abort();
    }
}

/// Listens on a free port of 127.0.0.1, for many connections at once.
///
/// # Errors
/// If no port can be bound.
pub fn listen() -> std::io::Result<impl Listener<Io = TcpStream, Addr = SocketAddr>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // Without `TCP_NODELAY`, small token events would be delayed by Nagle's algorithm.
    Ok(socket.listen(BACKLOG)?.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY on a connection");
        }
    }))
}

async fn models() -> Json<Value> {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": "demo"});
    Json(json!({"object": "list", "data": [model(MODEL), model(FREE_MODEL), model(LONG_MODEL)]}))
}

async fn complete(
    State(latency): State<Latency>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let request = match body {
        Ok(Json(body)) => Request::read(&body),
        Err(rejection) => Err(RequestError::Json(rejection.body_text())),
    };
    match request {
        Ok(request) => {
            let completion = Completion::of(&request);
            let pace = Pace {
                first_token: Instant::now() + latency.first_token,
                per_token: latency.per_token,
            };
            if request.stream {
                sleep_until(pace.first_token).await;
                Sse::new(events(completion, request.include_usage, pace)).into_response()
            } else {
                sleep_until(pace.token(completion.usage().completion_tokens)).await;
                Json(completion.answer()).into_response()
            }
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &RequestError) -> Response {
    let status = match error {
        RequestError::UnknownModel(_) => StatusCode::NOT_FOUND,
        RequestError::Json(_) | RequestError::Field { .. } => StatusCode::BAD_REQUEST,
    };
    let body = json!({"error": {
        "message": error.to_string(),
        "type": "invalid_request_error",
        "param": error.param(),
        "code": error.code(),
    }});
    (status, Json(body)).into_response()
}

/// The times at which the tokens of one answer are ready. These are deadlines rather than pauses, so that a timer
/// that fires late delays one token and not all that follow.
#[derive(Debug, Clone, Copy)]
struct Pace {
    first_token: Instant,
    per_token: Duration,
}

impl Pace {
    /// The time at which `count` tokens are ready.
    fn token(self, count: u64) -> Instant {
        // Answers are short, see `MAX_OUTPUT_TOKENS`.
        self.first_token + self.per_token * u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Streams the answer's chunks at the pace of its tokens, then the usage if requested, then `[DONE]`.
fn events(
    completion: Completion,
    include_usage: bool,
    pace: Pace,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let chunks = completion.chunks(include_usage);
    let paced = stream::iter(chunks).then(move |chunk| async move {
        sleep_until(pace.token(chunk.tokens)).await;
        Event::default().data(chunk.json.to_string())
    });
    let done = stream::iter([Event::default().data("[DONE]")]);
    paced.chain(done).map(Ok)
}
