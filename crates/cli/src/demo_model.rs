//! The demo model: an OpenAI-compatible endpoint for chat completions without a model in it.
//!
//! It answers deterministically, JSON or server-sent events, with a usage that follows from its
//! input, after about the time per token that a small model takes. It exists so that `farthing dev`
//! needs nothing from outside, and it is called what it is wherever it appears.
//!
//! What must not live here: anything about payment. To the gateway it is an upstream like any other.

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

/// The model that the demo sells.
pub const MODEL: &str = "demo-model";
/// The same model under the name that the demo's gateway gives away.
pub const FREE_MODEL: &str = "demo-free";
/// The most tokens of one answer.
pub const MAX_OUTPUT_TOKENS: u32 = 96;

/// Connections that may wait to be accepted: a gateway opens as many at once as it has requests.
const BACKLOG: u32 = 4_096;

/// How long the demo model pretends to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Until the first token.
    pub first_token: Duration,
    /// Between tokens.
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

    /// Stops it: answers in progress are cut off, since nobody waits for them any more.
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
    // Tokens are small and must not wait for one another.
    Ok(socket.listen(BACKLOG)?.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    }))
}

async fn models() -> Json<Value> {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": "demo"});
    Json(json!({"object": "list", "data": [model(MODEL), model(FREE_MODEL)]}))
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

/// When the tokens of one answer are ready. Deadlines and not pauses: a timer that fires late then
/// delays one token and not all that follow.
#[derive(Debug, Clone, Copy)]
struct Pace {
    first_token: Instant,
    per_token: Duration,
}

impl Pace {
    /// When this many tokens are ready.
    fn token(self, count: u64) -> Instant {
        // Answers are short, see `MAX_OUTPUT_TOKENS`.
        self.first_token + self.per_token * u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// The answer's chunks at the pace of its tokens, then its usage if asked for, then `[DONE]`.
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
