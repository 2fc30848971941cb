//! An OpenAI-compatible upstream, a real server whose behaviour the test chooses.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The text that the upstream answers with: three pieces of a stream.
pub const PIECES: [&str; 3] = ["four", "score", "and seven"];

/// What the upstream does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers, as JSON or as a stream, with a `usage` of this number of input and output tokens.
    Answer(u64, u64),
    /// Answers without `usage`.
    AnswerUncounted,
    /// Answers after a pause.
    AnswerAfter(Duration, u64, u64),
    /// Answers with the words of the question, one per event, with a pause before each event.
    Echo(Duration),
    /// Answers with this status and body.
    Raw {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(&'static str, &'static str)>,
        /// The body.
        body: &'static str,
    },
    /// Streams this number of pieces, then breaks the connection.
    CutAfter(usize),
    /// Announces a body and breaks off within it.
    CutJson,
    /// Streams one piece, and then nothing more without ending.
    StallAfterOne,
    /// Streams pieces for ever, one every few milliseconds.
    Endless,
}

/// A request that the upstream received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: String,
    /// Its path, with its query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body as JSON; null if it is not JSON.
    pub body: Value,
    /// The bytes of its body.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Received>>,
    streams_open: AtomicUsize,
}

/// A running upstream.
#[derive(Debug, Clone)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Starts an upstream that answers with a usage of 10 input and 5 output tokens.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::Answer(10, 5)),
            received: Mutex::default(),
            streams_open: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/v1/{*endpoint}", any(answer))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback interface has free ports");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// Base URL of the upstream.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the behaviour from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("tests do not poison") = behaviour;
    }

    /// All requests that were received.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared
            .received
            .lock()
            .expect("tests do not poison")
            .clone()
    }

    /// Number of streams that are still being produced.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.shared.streams_open.load(Ordering::SeqCst)
    }
}

/// Counts a stream as open while it exists.
struct OpenStream(Arc<Shared>);

impl OpenStream {
    fn new(shared: Arc<Shared>) -> Self {
        shared.streams_open.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams_open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let streams = body["stream"] == true;
    let received = Received {
        method: method.to_string(),
        path: uri.to_string(),
        headers,
        body,
        bytes,
    };
    shared
        .received
        .lock()
        .expect("tests do not poison")
        .push(received.clone());
    let behaviour = shared
        .behaviour
        .lock()
        .expect("tests do not poison")
        .clone();
    match behaviour {
        Behaviour::Answer(input, output) => whole(streams, Some((input, output))),
        Behaviour::AnswerUncounted => whole(streams, None),
        Behaviour::AnswerAfter(pause, input, output) => {
            tokio::time::sleep(pause).await;
            whole(streams, Some((input, output)))
        }
        Behaviour::Echo(pause) => {
            let question = received.body["messages"][0]["content"].clone();
            let question = question.as_str().expect("tests ask in words");
            if !streams {
                return respond("application/json", Body::from(echo(question)));
            }
            let events = stream::iter(echo_stream(question)).then(move |event| async move {
                tokio::time::sleep(pause).await;
                Ok(event)
            });
            event_stream(shared, events)
        }
        Behaviour::Raw {
            status,
            headers,
            body,
        } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response
                .body(Body::from(body))
                .expect("tests write valid headers")
        }
        Behaviour::CutAfter(pieces) => {
            let before = stream::iter(PIECES.into_iter().take(pieces).map(|text| Ok(piece(text))));
            // Sends half an event, so that the cut is within an event.
            let half = stream::iter([Ok(Bytes::from_static(b"data: {\"choi"))]);
            // The pause lets the data sent before be transmitted before the connection breaks.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("the upstream died"))
            });
            event_stream(shared, before.chain(half).chain(cut))
        }
        Behaviour::CutJson => {
            let body = stream::iter([Ok(Bytes::from_static(b"{\"choices\":"))]);
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("the upstream died"))
            });
            respond("application/json", Body::from_stream(body.chain(cut)))
        }
        Behaviour::StallAfterOne => {
            let first = stream::iter([Ok(piece(PIECES[0]))]);
            event_stream(shared, first.chain(stream::pending()))
        }
        Behaviour::Endless => {
            let pieces = stream::repeat(()).then(|()| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(piece(PIECES[0]))
            });
            event_stream(shared, pieces)
        }
    }
}

fn respond(content_type: &str, body: Body) -> Response {
    Response::builder()
        .header("content-type", content_type)
        .header("x-upstream", "yes")
        .header("set-cookie", "secret=1")
        .body(body)
        .expect("the headers are valid")
}

fn event_stream(
    shared: Arc<Shared>,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let open = OpenStream::new(shared);
    let bytes = bytes.map(move |item| {
        let _open = &open;
        item
    });
    respond("text/event-stream; charset=utf-8", Body::from_stream(bytes))
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

fn piece(text: &str) -> Bytes {
    event(
        &json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}),
    )
}

/// The whole stream as a client must receive it, before the receipt.
#[must_use]
pub fn whole_stream(usage: Option<(u64, u64)>) -> Vec<u8> {
    let mut bytes: Vec<u8> = PIECES.iter().flat_map(|text| piece(text)).collect();
    if let Some(usage) = usage {
        bytes.extend(event(&json!({"choices": [], "usage": counted(usage)})));
    }
    bytes.extend(b"data: [DONE]\n\n");
    bytes
}

/// The answer of [`Behaviour::Echo`] if it is not a stream.
#[must_use]
pub fn echo(question: &str) -> String {
    json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": question}}],
        "usage": counted(words(question)),
    })
    .to_string()
}

/// The events that [`Behaviour::Echo`] streams.
#[must_use]
pub fn echo_stream(question: &str) -> Vec<Bytes> {
    let mut events: Vec<Bytes> = question.split(' ').map(piece).collect();
    events.push(event(
        &json!({"choices": [], "usage": counted(words(question))}),
    ));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

/// An upstream that counts words.
fn words(question: &str) -> (u64, u64) {
    let count = question.split(' ').count() as u64;
    (count, count)
}

fn counted((input, output): (u64, u64)) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

fn whole(streams: bool, usage: Option<(u64, u64)>) -> Response {
    if streams {
        // The body is sent in pieces that do not end at the ends of events.
        let pieces: Vec<Bytes> = whole_stream(usage)
            .chunks(37)
            .map(Bytes::copy_from_slice)
            .collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        return respond(
            "text/event-stream; charset=utf-8",
            Body::from_stream(pieces),
        );
    }
    let mut body = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": PIECES.concat()}}],
    });
    if let Some(usage) = usage {
        body["usage"] = counted(usage);
    }
    respond("application/json", Body::from(body.to_string()))
}
