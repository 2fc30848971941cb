//! Tests of outages: the chain is unreachable, the store fails, the server is overloaded or shutting down.

use std::time::Duration;

use farthing_tests::gateway::world::{FREE_MODEL, MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};

const MAXIMUM: u64 = 239;

fn assert_unavailable(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (503, code));
    assert_eq!(answer.headers["retry-after"], "1");
    let refusal = answer.payment().expect("a refused payment is told so");
    assert!(!refusal.success);
}

#[tokio::test]
async fn without_rpc_a_new_channel_is_not_served_and_a_known_one_for_a_while() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    world.chain.set_up(false);
    assert_unavailable(&world.pay(&body, 1_000).await, "chain_unavailable");
    world.chain.set_up(true);
    // Nothing was changed, and a failure is not remembered as a refusal.
    assert_eq!(world.pay(&body, 1_000).await.status, 200);

    world.chain.set_up(false);
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(
        world.pay(&body, 2_000).await.status,
        200,
        "nine seconds are fresh enough"
    );
    world.clock.advance(Duration::from_secs(2));
    assert_unavailable(&world.pay(&body, 3_000).await, "chain_unavailable");
    world.chain.set_up(true);
    world.running().poll_chain().await;
    assert_eq!(world.pay(&body, 3_000).await.status, 200);
    assert_eq!(world.charged_at_rest().await, 60);
}

#[tokio::test]
async fn a_node_that_stands_still_is_no_fresh_reading() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    assert_eq!(world.pay(&body, 1_000).await.status, 200);
    world.chain.set_slots_move(false);
    for _ in 0..12 {
        world.clock.advance(Duration::from_secs(1));
        world.running().poll_chain().await;
    }
    assert_unavailable(&world.pay(&body, 2_000).await, "chain_unavailable");
    world.chain.set_slots_move(true);
    world.running().poll_chain().await;
    assert_eq!(world.pay(&body, 2_000).await.status, 200);
}

#[tokio::test]
async fn a_failed_store_serves_nothing() {
    let mut world = World::with_admin().await;
    let body = chat(MODEL, false);
    assert_eq!(world.pay(&body, 1_000).await.status, 200);
    assert_eq!(world.health(&world.admin_url("/healthz")).await, 200);
    world.store.fail();
    for (value, stream) in [(2_000, false), (3_000, true), (4_000, false)] {
        let answer = world.pay(&chat(MODEL, stream), value).await;
        assert_unavailable_without_service(&answer);
    }
    assert_eq!(world.health(&world.admin_url("/healthz")).await, 503);
    // Clients are told no more than that somebody answers.
    assert_eq!(world.health(&world.url("/healthz")).await, 200);
    // What costs nothing needs no store.
    assert_eq!(world.send(&chat(FREE_MODEL, false), None).await.status, 200);

    // The next start knows what was acknowledged, and nothing else was.
    world.restart().await;
    assert_eq!(world.pay(&body, 1_000).await.code(), "voucher_used");
    assert_eq!(world.pay(&body, 2_000).await.status, 200);
    assert_eq!(world.charged_at_rest().await, 40);
}

fn assert_unavailable_without_service(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "store_unavailable")
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        !text.contains("seven"),
        "nothing of the service leaves: {text}"
    );
}

#[tokio::test]
async fn a_store_that_fails_within_a_stream_ends_it() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let mut stream = world.begin(&body, Some(&payment)).await;
    stream.chunk().await.expect("it streams").expect("a piece");
    world.store.fail();
    let rest = tokio::time::timeout(Duration::from_secs(10), Answer::read(stream));
    let rest = rest.await.expect("the stream ends");
    assert!(!rest.whole);
    assert!(
        rest.stream_receipt().is_none(),
        "no receipt without its charge on disk"
    );
}

#[tokio::test]
async fn no_byte_of_a_stream_leaves_before_its_reservation_is_on_disk() {
    let world = World::start().await;
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    world.store.delay(Duration::from_millis(500));
    let began = std::time::Instant::now();
    let response = world.begin(&body, Some(&payment)).await;
    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "headers are bytes, too"
    );
    assert_eq!(Answer::read(response).await.charged(), 20);
    assert!(
        began.elapsed() >= Duration::from_millis(1_000),
        "the charge is a commit of its own"
    );
}

#[tokio::test]
async fn a_quick_answer_costs_at_most_about_two_commits() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    // The answer is there long before the first commit is: the charge goes into the second.
    world.store.delay(Duration::from_millis(300));
    let before = world.store.commits();
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    assert_eq!(world.send(&body, Some(&payment)).await.charged(), 20);
    assert!(world.store.commits() <= before + 2);
}

#[tokio::test]
async fn a_full_server_says_so() {
    let world = World::configured(|config| config.http.max_concurrent_requests = 2).await;
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    world.upstream.behave(Behaviour::Endless);
    let agent = world.agent(0);
    let _first = world.begin(&body, Some(&agent.pay(&accepted, 1_000))).await;
    let second = world.begin(&body, Some(&agent.pay(&accepted, 2_000))).await;
    let answer = world.send(&body, Some(&agent.pay(&accepted, 3_000))).await;
    assert_unavailable(&answer, "overloaded");
    drop(second);
    world.upstream.behave(Behaviour::Answer(10, 5));
    // A refusal changes nothing, so the same voucher may be tried until a place is free.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let answer = world.send(&body, Some(&agent.pay(&accepted, 3_000))).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.code(), "overloaded");
        assert!(std::time::Instant::now() < deadline, "no place became free");
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_settles_them() {
    let mut world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_millis(400), 10, 5));
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let response = tokio::spawn({
        let request = world
            .http
            .post(world.url("/v1/chat/completions"))
            .json(&body);
        request.header("payment-signature", payment).send()
    });
    world
        .until("the request is in flight", || {
            world.upstream.received().len() == 1
        })
        .await;
    let verifier = world.verifier.take().expect("it runs");
    let report = verifier.shutdown().await.expect("everything is settled");
    assert_eq!(report.base_units.0, 20);
    assert_eq!((report.rounds, report.transactions.len()), (1, 1));
    let response = response.await.expect("no panic").expect("an answer");
    assert_eq!(Answer::read(response).await.charged(), 20);
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_does_not_end() {
    let mut world =
        World::configured(|config| config.http.drain_timeout = Duration::from_millis(200)).await;
    world.upstream.behave(Behaviour::Endless);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let response = world.begin(&body, Some(&payment)).await;
    let reading = tokio::spawn(Answer::read(response));
    let verifier = world.verifier.take().expect("it runs");
    let report = verifier.shutdown().await.expect("everything is settled");
    let answer = reading.await.expect("no panic");
    assert!(!answer.whole);
    assert_eq!(answer.charged(), report.base_units.0);
}
