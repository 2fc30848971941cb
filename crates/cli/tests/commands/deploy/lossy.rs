//! Tests of writing a buffer through a node that loses transactions and answers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_chain::BytecodeHash;
use serde_json::{Value, json};
use solana_sdk::signature::{SIGNATURE_BYTES, Signature};
use tokio::net::TcpListener;

use crate::deploy::world::{BUILD, World};
use crate::terminal::text;

/// Bytecode length that is enough for the header, the address, and some dozen chunks.
const LENGTH: usize = 40_000;

/// A node in front of the chain.
struct Node {
    http: reqwest::Client,
    behind: String,
    /// Signatures of the chunk transactions that the node has seen.
    seen: Mutex<HashSet<Signature>>,
    lost: AtomicUsize,
    polls: AtomicUsize,
}

impl Node {
    async fn start(behind: &str) -> (Arc<Self>, String) {
        let node = Arc::new(Self {
            http: reqwest::Client::new(),
            behind: behind.to_owned(),
            seen: Mutex::default(),
            lost: AtomicUsize::default(),
            polls: AtomicUsize::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new()
            .route("/", post(answer))
            .with_state(Arc::clone(&node));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (node, format!("http://{address}"))
    }

    /// Loses every second chunk when it is first sent, although the node acknowledges it.
    fn loses(&self, request: &Value) -> Option<Signature> {
        let params = &request["params"];
        if request["method"] != "sendTransaction" || params[1]["skipPreflight"] != true {
            return None;
        }
        let transaction = STANDARD
            .decode(params[0].as_str().expect("a transaction"))
            .expect("base64");
        let signature =
            Signature::try_from(&transaction[1..1 + SIGNATURE_BYTES]).expect("64 bytes");
        let mut seen = self.seen.lock().expect("nobody panicked");
        (seen.insert(signature) && seen.len().is_multiple_of(2)).then_some(signature)
    }

    /// Loses every second answer to a query about many transactions.
    fn is_overloaded(&self, request: &Value) -> bool {
        request["method"] == "getSignatureStatuses"
            && request["params"][0]
                .as_array()
                .is_some_and(|all| all.len() > 1)
            && self.polls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    }
}

async fn answer(
    State(node): State<Arc<Node>>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    if node.is_overloaded(&request) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    if let Some(signature) = node.loses(&request) {
        node.lost.fetch_add(1, Ordering::Relaxed);
        let id = &request["id"];
        return Ok(Json(
            json!({"jsonrpc": "2.0", "id": id, "result": signature.to_string()}),
        ));
    }
    let answer = node.http.post(&node.behind).json(&request).send().await;
    let answer = answer.expect("the chain is up").json().await;
    Ok(Json(answer.expect("JSON")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_loses_is_sent_again() {
    let world = World::new().await;
    world.install(BUILD, &world.authority).await;
    let build = &BUILD[..LENGTH];
    world.build("part.so", build);
    let (node, url) = Node::start(world.chain.rpc_url()).await;
    let write = [
        "program",
        "buffer",
        "--bytecode",
        "part.so",
        "-k",
        "authority.json",
        "--compute-unit-price",
        "1000",
        "--rpc-url",
        &url,
    ];
    let report = world.terminal.ok(&write).await;
    let chunks = report["chunks"].as_u64().expect("a number") as usize;
    assert!(chunks > 30);
    assert_eq!(report["chunks_written"], report["chunks"]);
    assert_eq!(node.lost.load(Ordering::Relaxed), chunks / 2);
    assert!(node.polls.load(Ordering::Relaxed) > 2);

    let hash = BytecodeHash::of(build).to_string();
    let buffer = text(&report, "buffer");
    let verify = ["program", "verify", "--buffer", buffer, "--hash", &hash];
    let report = world.terminal.ok(&verify).await;
    assert_eq!(report["equal"], json!(true));
}
