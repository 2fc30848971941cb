//! Tests of the proxy that pays for clients that cannot sign: what it refuses, and how it passes on answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use farthing_cli::signing_proxy::SigningProxy;
use farthing_tests::gateway::upstream::{echo, whole_stream};
use farthing_tests::gateway::world::{FREE_MODEL, MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// A proxy of lane 0, whose provider is at a URL.
async fn start(world: &World, provider: &str) -> SigningProxy {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = SigningProxy::start(paying_client(world, 0, provider), address).await;
    proxy.expect("a free port")
}

fn post(world: &World, proxy: &SigningProxy, path: &str) -> RequestBuilder {
    world.http.post(format!("{}{path}", proxy.url()))
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.expect("the proxy answers")).await
}

/// Status, code, and whether a client is told to try again.
fn refusal(answer: &Answer) -> (u16, String, bool) {
    let should_retry = answer.headers.get("x-should-retry");
    let may_retry = should_retry.expect("the proxy says so") == "true";
    (answer.status, answer.code(), may_retry)
}

#[tokio::test]
async fn what_is_not_for_it_costs_nothing() {
    let world = World::start().await;
    let proxy = start(&world, &world.url("")).await;
    let good = || post(&world, &proxy, CHAT).json(&chat(MODEL, false));
    let get = |path| {
        world
            .http
            .request(Method::GET, format!("{}{path}", proxy.url()))
    };
    for (request, status, code) in [
        (
            good().header("origin", "https://example.com"),
            403,
            "origin_refused",
        ),
        (
            get("/v1/models").header("origin", "null"),
            403,
            "origin_refused",
        ),
        // A page's image, and a page whose domain points to this machine.
        (
            get("/v1/img").header("sec-fetch-site", "cross-site"),
            403,
            "origin_refused",
        ),
        (
            get("/v1/img").header("host", "evil.example:8400"),
            403,
            "origin_refused",
        ),
        (
            post(&world, &proxy, CHAT).body(vec![b' '; 32 << 20 | 1]),
            413,
            "body_too_large",
        ),
        (
            good().header("idempotency-key", "short"),
            400,
            "idempotency_key_invalid",
        ),
    ] {
        let answer = send(request).await;
        assert_eq!(refusal(&answer), (status, code.to_owned(), false));
    }
    let malformed = send(post(&world, &proxy, CHAT).body("{")).await;
    assert_eq!(
        (malformed.status, malformed.code()),
        (400, "invalid_request".to_owned())
    );
    // What the provider does not sell it says itself.
    for request in [post(&world, &proxy, "/v1/images"), get(CHAT)] {
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "route_not_sold".to_owned())
        );
    }
    assert!(world.upstream.received().is_empty());
    let spent = proxy.shutdown().await;
    assert_eq!(
        (spent.requests, spent.charged.0, spent.at_most.0),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn what_cannot_be_paid_is_said_in_the_clients_language() {
    let world = World::start().await;
    let nobody = start(&world, "http://127.0.0.1:1").await;
    let answer = send(post(&world, &nobody, CHAT).json(&chat(MODEL, false))).await;
    assert_eq!(
        refusal(&answer),
        (502, "provider_unreachable".to_owned(), true)
    );

    let proxy = start(&world, &world.url("")).await;
    let dear = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "x".repeat(1_000_000)}],
    });
    let answer = send(post(&world, &proxy, CHAT).json(&dear)).await;
    assert_eq!(refusal(&answer), (402, "lane_cannot_pay".to_owned(), false));

    // The provider's own errors pass as they are.
    let answer = send(post(&world, &proxy, CHAT).json(&chat("unknown", false))).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (404, "model_not_priced")
    );
    assert!(world.upstream.received().is_empty());
}

#[tokio::test]
async fn every_endpoint_is_paid_for() {
    let world = World::start().await;
    let proxy = start(&world, &world.url("")).await;
    for (number, (path, body)) in [
        (CHAT, chat(MODEL, false)),
        (CHAT, chat(MODEL, true)),
        (
            "/v1/completions",
            json!({"model": MODEL, "prompt": "how many?"}),
        ),
        (
            "/v1/responses",
            json!({"model": MODEL, "input": "how many?"}),
        ),
        (
            "/v1/embeddings",
            json!({"model": MODEL, "input": "how many?"}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(post(&world, &proxy, path).json(&body)).await;
        assert_eq!((answer.status, answer.whole), (200, true), "{path}");
        assert_eq!(proxy.spent().requests, number as u64 + 1);
    }
    let free = send(post(&world, &proxy, CHAT).json(&chat(FREE_MODEL, false))).await;
    assert_eq!(free.status, 200);
    let models = world.http.get(format!("{}/v1/models", proxy.url()));
    assert_eq!(send(models).await.json()["object"], "list");
    let spent = proxy.shutdown().await;
    assert_eq!(spent.requests, 5);
    assert_eq!(spent.charged.0, world.charged_at_rest().await);
    assert_eq!(spent.at_most, spent.charged);
}

#[tokio::test]
async fn the_clients_own_key_is_the_providers() {
    let world = World::start().await;
    let proxy = start(&world, &world.url("")).await;
    for _ in 0..2 {
        let request = post(&world, &proxy, CHAT).json(&chat(MODEL, true));
        let answer = send(request.header("idempotency-key", "0123456789abcdef")).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(world.charged_at_rest().await, 20);
}

#[tokio::test]
async fn a_stream_passes_as_it_arrives_and_stops_with_its_client() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let proxy = start(&world, &world.url("")).await;
    let request = post(&world, &proxy, CHAT).json(&chat(MODEL, true));
    let mut stream = request.send().await.expect("the proxy answers");
    stream
        .chunk()
        .await
        .expect("it runs")
        .expect("and has no end");
    assert_eq!(world.upstream.streams_open(), 1);
    drop(stream);
    let upstream = world.upstream.clone();
    world
        .until("the upstream may stop", || upstream.streams_open() == 0)
        .await;
    assert!(world.charged_at_rest().await > 0);
}

#[tokio::test]
async fn a_stream_that_its_upstream_cuts_off_ends_with_an_error() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::CutAfter(2));
    let proxy = start(&world, &world.url("")).await;
    let answer = send(post(&world, &proxy, CHAT).json(&chat(MODEL, true))).await;
    assert!(answer.status == 200 && answer.whole);
    let text = String::from_utf8(answer.body).expect("events are text");
    let events: Vec<&str> = text.split_terminator("\n\n").collect();
    let whole = whole_stream(None);
    let whole = String::from_utf8_lossy(&whole);
    assert_eq!(
        events[..2].join("\n\n"),
        whole.split("\n\n").collect::<Vec<_>>()[..2].join("\n\n")
    );
    assert!(
        events[2].contains("\"code\":\"answer_incomplete\""),
        "{text}"
    );
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(proxy.spent().charged.0, world.charged_at_rest().await);
}

#[tokio::test]
async fn it_ends_after_what_is_in_flight() {
    let world = World::start().await;
    let pause = Duration::from_millis(200);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    let proxy = start(&world, &world.url("")).await;
    let request = post(&world, &proxy, CHAT).json(&chat(MODEL, false));
    let in_flight = tokio::spawn(send(request));
    let upstream = world.upstream.clone();
    world
        .until("it is in flight", || !upstream.received().is_empty())
        .await;
    let url = format!("{}/v1/models", proxy.url());
    let spent = proxy.shutdown().await;
    assert_eq!((spent.requests, spent.charged.0), (1, 20));
    assert_eq!(in_flight.await.expect("it does not panic").status, 200);
    assert!(world.http.get(url).send().await.is_err(), "it is gone");
}

#[tokio::test]
async fn an_answer_is_the_upstreams() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Echo(Duration::ZERO));
    let proxy = start(&world, &world.url("")).await;
    let answer = send(post(&world, &proxy, CHAT).json(&chat(MODEL, false))).await;
    assert_eq!(answer.body, echo("how many years ago?").as_bytes());
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_client_that_disconnects_at_the_last_event_is_still_counted() {
    let world = World::start().await;
    let proxy = start(&world, &world.url("")).await;
    // The receipt waits for a commit, which the client does not.
    world.store.delay(Duration::from_millis(50));
    let mut response = post(&world, &proxy, CHAT)
        .json(&chat(MODEL, true))
        .send()
        .await
        .expect("the proxy answers");
    let mut read = Vec::new();
    while !read.windows(12).any(|window| window == b"data: [DONE]") {
        let chunk = response.chunk().await.expect("the stream is whole");
        read.extend_from_slice(&chunk.expect("the last event comes"));
    }
    drop(response);

    let spent = proxy.shutdown().await;
    assert_eq!((spent.requests, spent.charged.0), (1, 20));
    assert_eq!(spent.at_most.0, 20, "the maximum is not counted as spent");
}
