//! Tests of clients that give up and ask again, through the proxy that pays for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use farthing_cli::signing_proxy::{Lanes, ProxyOptions, SigningProxy};
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client};

/// How long an answer takes.
const TAKES: Duration = Duration::from_millis(600);
/// How long a client waits.
const PATIENCE: Duration = Duration::from_millis(150);

async fn start(world: &World, linger: Duration) -> SigningProxy {
    world.clock.follow_the_system();
    let options = ProxyOptions {
        linger: Some(linger),
        ..ProxyOptions::default()
    };
    let lanes = Lanes::One(paying_client(world, 0, &world.url("")));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = SigningProxy::start_with(lanes, address, options).await;
    proxy.expect("a free port")
}

/// Asks, and gives up after a while.
async fn ask(
    world: &World,
    proxy: &SigningProxy,
    headers: &[(&str, &str)],
    patience: Duration,
) -> Option<Answer> {
    let url = format!("{}/v1/chat/completions", proxy.url());
    let mut request = world.http.post(url).json(&chat(MODEL, false));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = async { Answer::read(request.send().await.expect("the proxy answers")).await };
    tokio::time::timeout(patience, answer).await.ok()
}

#[tokio::test]
async fn a_timeout_with_two_retries_costs_one_answer_and_delivers_it() {
    for retry in [
        // As OpenAI's and Anthropic's clients retry, as others do, and with a key of their own.
        [
            ("x-stainless-retry-count", "1"),
            ("x-stainless-retry-count", "2"),
        ],
        [("accept", "*/*"), ("accept", "*/*")],
        [
            ("idempotency-key", "0123456789abcdef"),
            ("idempotency-key", "0123456789abcdef"),
        ],
    ] {
        let world = World::start().await;
        world.upstream.behave(Behaviour::AnswerAfter(TAKES, 10, 5));
        let proxy = start(&world, 20 * TAKES).await;
        let first = if retry[0].0 == "idempotency-key" {
            &retry[..1]
        } else {
            &[]
        };
        assert!(ask(&world, &proxy, first, PATIENCE).await.is_none());
        assert!(ask(&world, &proxy, &retry[..1], PATIENCE).await.is_none());
        let answer = ask(&world, &proxy, &retry[1..], 50 * TAKES).await;
        assert_eq!(answer.expect("it comes").status, 200, "{retry:?}");
        assert_eq!(world.upstream.received().len(), 1, "{retry:?}");
        let spent = proxy.shutdown().await;
        assert_eq!((spent.requests, spent.charged.0), (1, 20), "{retry:?}");
        assert_eq!(world.charged_at_rest().await, 20, "{retry:?}");
    }
}

#[tokio::test]
async fn equal_requests_whose_clients_are_connected_are_two_purchases() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(PATIENCE, 10, 5));
    let proxy = start(&world, TAKES).await;
    let (one, other) = tokio::join!(
        ask(&world, &proxy, &[], 50 * TAKES),
        ask(&world, &proxy, &[], 50 * TAKES)
    );
    assert!(one.is_some() && other.is_some());
    assert_eq!(world.upstream.received().len(), 2);
    assert_eq!(proxy.shutdown().await.charged.0, 40);
}

#[tokio::test]
async fn another_clients_key_gets_no_answer_of_this_one() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::AnswerAfter(TAKES, 10, 5));
    let proxy = start(&world, 20 * TAKES).await;
    let alice = [("authorization", "Bearer alice")];
    assert!(ask(&world, &proxy, &alice, PATIENCE).await.is_none());
    let bob = [
        ("authorization", "Bearer bob"),
        ("x-stainless-retry-count", "1"),
    ];
    assert!(ask(&world, &proxy, &bob, 50 * TAKES).await.is_some());
    assert_eq!(world.upstream.received().len(), 2);
}

#[tokio::test]
async fn what_nobody_comes_back_for_is_counted_as_the_provider_counts_it() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::AnswerAfter(TAKES, 10, 5));
    let proxy = start(&world, PATIENCE).await;
    assert!(ask(&world, &proxy, &[], PATIENCE).await.is_none());
    tokio::time::sleep(2 * TAKES).await;
    let spent = proxy.shutdown().await;
    assert_eq!(spent.requests, 0, "no receipt came");
    // The proxy's requests have keys, so the provider finishes a whole answer and keeps it for a retry.
    assert_eq!(spent.charged.0, 20, "the figure is the books'");
    assert_eq!(world.charged_at_rest().await, 20);
}
