//! Tests of idempotent retries: a request with the same idempotency key gets the same answer and no second charge.

use std::time::Duration;

use bytesize::ByteSize;
use farthing_tests::gateway::world::{FREE_MODEL, MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};
use farthing_wire::x402::{PaymentPayload, decode_header, encode_header};
use serde_json::json;

const KEY: &str = "0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210";

/// Asks with a new voucher of lane 0.
async fn ask(world: &World, stream: bool, authorized: u64, key: &str) -> Answer {
    let body = chat(MODEL, stream);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, authorized);
    world.send_with_key(&body, &payment, key).await
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.contains_key("idempotent-replayed")
}

#[tokio::test]
async fn refuses_keys_that_are_none() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let long = "x".repeat(129);
    for key in ["short", "with a space in it", long.as_str()] {
        let answer = world.send_with_key(&body, &payment, key).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "idempotency_key_invalid"),
            "{key}"
        );
    }
    let mut payload: PaymentPayload = decode_header(payment.as_bytes()).expect("it is ours");
    payload.extensions =
        Some(json!({"payment-identifier": {"info": {"required": false, "id": OTHER_KEY}}}));
    let differs = encode_header(&payload);
    let answer = world.send_with_key(&body, &differs, KEY).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "idempotency_key_invalid")
    );
    assert!(world.upstream.received().is_empty(), "nothing was served");
    let answer = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(answer.status, 200, "the voucher is as good as before");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    assert_eq!(ask(&world, false, 1_000, KEY).await.status, 200);
    let answer = ask(&world, true, 2_000, KEY).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (409, "idempotency_key_reused")
    );
    let refusal = answer.payment().expect("a client that paid learns of it");
    assert!(!refusal.success);
    assert_eq!(world.charged_at_rest().await, 20);
    // The key of another lane is another key.
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(1).pay(&accepted, 1_000);
    let answer = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!((answer.status, is_replay(&answer)), (200, false));
}

#[tokio::test]
async fn whoever_cannot_sign_for_the_lane_learns_nothing() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    assert_eq!(ask(&world, false, 1_000, KEY).await.status, 200);
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let mut thief = world.agent(1);
    thief.lane = 0;
    let payment = thief.pay(&accepted, 2_000);
    let answer = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "signature_invalid")
    );
}

#[tokio::test]
async fn the_same_answer_costs_nothing_again() {
    let mut world = World::start().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    for (stream, key, total) in [(false, KEY, 20), (true, OTHER_KEY, 60)] {
        let body = chat(MODEL, stream);
        let accepted = world.requirements(&body).await;
        let payment = world.agent(0).pay(&accepted, 1_000 + total);
        let first = world.send_with_key(&body, &payment, key).await;
        assert_eq!((first.status, is_replay(&first)), (200, false));
        assert_eq!(world.charged_at_rest().await, total);
        let received = world.upstream.received().len();
        let new = world.agent(0).pay(&accepted, 5_000 + total);
        // With the voucher of then, with a new one, and after a restart.
        for round in 0..3 {
            let payment = if round == 0 { &payment } else { &new };
            if round == 2 {
                world.restart().await;
            }
            let again = world.send_with_key(&body, payment, key).await;
            assert!(again.status == 200 && again.whole && is_replay(&again));
            assert_eq!(again.body, first.body, "byte by byte, receipt included");
            assert_eq!(again.charged(), 20);
            let type_of = |answer: &Answer| answer.headers.get("content-type").cloned();
            assert_eq!(type_of(&again), type_of(&first));
        }
        assert_eq!(world.charged_at_rest().await, total);
        assert_eq!(world.upstream.received().len(), received);
        // The new voucher bought nothing, so it still can.
        assert_eq!(world.send(&body, Some(&new)).await.status, 200);
        assert_eq!(world.charged_at_rest().await, total + 20);
    }
}

#[tokio::test]
async fn asking_again_while_it_runs_waits() {
    let world = World::start().await;
    let pause = Duration::from_millis(200);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payments: Vec<String> = (0..50)
        .map(|n| world.agent(0).pay(&accepted, 10_000 + n))
        .collect();
    let requests = payments
        .iter()
        .map(|payment| world.send_with_key(&body, payment, KEY));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(
        answers.iter().filter(|answer| !is_replay(answer)).count(),
        1
    );
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(world.charged_at_rest().await, 20);
}

#[tokio::test]
async fn what_cost_nothing_is_tried_anew() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Raw {
        status: 500,
        headers: vec![("content-type", "application/json")],
        body: "{}",
    });
    assert_eq!(ask(&world, false, 1_000, KEY).await.status, 500);
    assert_eq!(world.charged_at_rest().await, 0);
    world.upstream.behave(Behaviour::Answer(10, 5));
    let answer = ask(&world, false, 1_001, KEY).await;
    assert_eq!((answer.status, is_replay(&answer)), (200, false));
    assert_eq!(world.charged_at_rest().await, 20);
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_there() {
    let world = World::start().await;
    let pause = Duration::from_millis(500);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    tokio::select! {
        _ = world.begin_with_key(&body, &payment, KEY) => panic!("the answer takes long"),
        () = world.until("the upstream works", || !world.upstream.received().is_empty()) => {}
    }
    let again = world.send_with_key(&body, &payment, KEY).await;
    assert!(again.status == 200 && is_replay(&again));
    assert_eq!(again.charged(), 20);
    assert_eq!(world.charged_at_rest().await, 20);
    assert_eq!(world.upstream.received().len(), 1);
}

#[tokio::test]
async fn a_stream_that_was_cut_is_replayed_as_far_as_it_came() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let mut stream = world.begin_with_key(&body, &payment, KEY).await;
    let mut seen = Vec::new();
    while seen.len() < 300 {
        let chunk = stream.chunk().await.expect("the stream runs");
        seen.extend_from_slice(&chunk.expect("it has no end"));
    }
    drop(stream);
    let charged = world.charged_at_rest().await;
    assert!(charged > 0);
    for _ in 0..2 {
        let again = world.send_with_key(&body, &payment, KEY).await;
        assert!(again.status == 200 && again.whole && is_replay(&again));
        assert_eq!(again.charged(), charged);
        assert!(
            again.body.starts_with(&seen),
            "nothing that was seen is missing"
        );
        let text = String::from_utf8(again.body).expect("the upstream sends text");
        let events: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str::<serde_json::Value>(data).expect("whole events"))
            .collect();
        let last = &events[events.len() - 1];
        assert_eq!(last["error"]["code"], "answer_incomplete");
    }
    assert_eq!(world.charged_at_rest().await, charged);
    assert_eq!(world.upstream.received().len(), 1);
}

#[tokio::test]
async fn a_stream_that_spent_its_reserve_is_replayed_with_its_end() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let mut body = chat(MODEL, true);
    body["max_tokens"] = json!(5);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let first = world.send_with_key(&body, &payment, KEY).await;
    let again = world.send_with_key(&body, &payment, KEY).await;
    assert!(is_replay(&again) && again.whole);
    assert_eq!(again.before_receipt(), first.before_receipt());
    assert_eq!(again.charged(), world.charged_at_rest().await);
}

#[tokio::test]
async fn a_crash_keeps_the_charge_and_loses_the_answer() {
    let mut world = World::start().await;
    world.upstream.behave(Behaviour::StallAfterOne);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let mut stream = world.begin_with_key(&body, &payment, KEY).await;
    stream
        .chunk()
        .await
        .expect("the stream begins")
        .expect("with a piece");
    world.two_checkpoints().await;
    world.crash().await;
    drop(stream);
    world.upstream.behave(Behaviour::Answer(10, 5));
    let answer = ask(&world, true, 2_000, KEY).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (410, "answer_not_kept")
    );
    // A quarter of the input's 39 bytes, and of the four bytes that were streamed.
    assert_eq!(answer.charged(), 10 + 2, "the receipt says what it cost");
    assert_eq!(world.charged_at_rest().await, 10 + 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_keep_still_costs_once() {
    let world =
        World::configured(|config| config.store.max_stored_answer_bytes = ByteSize(10)).await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    for (stream, key, charged) in [(false, KEY, 20), (true, OTHER_KEY, 40)] {
        assert_eq!(ask(&world, stream, 1_000 + charged, key).await.status, 200);
        assert_eq!(world.charged_at_rest().await, charged);
        let again = ask(&world, stream, 2_000 + charged, key).await;
        assert_eq!(
            (again.status, again.code().as_str()),
            (410, "answer_not_kept")
        );
        assert_eq!(again.charged(), 20);
        assert_eq!(world.charged_at_rest().await, charged);
    }
}

#[tokio::test]
async fn keys_are_forgotten_in_their_time() {
    let world =
        World::configured(|config| config.store.outcome_age = Duration::from_secs(60)).await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    assert_eq!(ask(&world, false, 1_000, KEY).await.status, 200);
    world.clock.advance(Duration::from_secs(5));
    assert!(is_replay(&ask(&world, false, 2_000, KEY).await));
    world.clock.advance(Duration::from_secs(56));
    world.running().poll_chain().await;
    // Forgotten when the next outcome is kept.
    assert_eq!(ask(&world, false, 3_000, OTHER_KEY).await.status, 200);
    let answer = ask(&world, false, 4_000, KEY).await;
    assert_eq!((answer.status, is_replay(&answer)), (200, false));
    assert_eq!(world.charged_at_rest().await, 60);
}

#[tokio::test]
async fn a_closing_channel_still_gives_what_was_paid_for() {
    let mut world = World::start().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let first = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(first.status, 200);
    world.change_channel(|channel| channel.closing = true).await;
    let again = world.send_with_key(&body, &payment, KEY).await;
    assert!(is_replay(&again) && again.body == first.body);
    for (payment, key) in [
        (&payment, OTHER_KEY),
        (&world.agent(0).pay(&accepted, 2_000), OTHER_KEY),
    ] {
        let answer = world.send_with_key(&body, payment, key).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (402, "channel_closing")
        );
    }
    let mut thief = world.agent(1);
    thief.lane = 0;
    let payment = thief.pay(&accepted, 2_000);
    let answer = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(answer.code(), "channel_closing");
}

#[tokio::test]
async fn nothing_is_replayed_while_the_store_is_down() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    assert_eq!(ask(&world, false, 1_000, KEY).await.status, 200);
    world.store.fail();
    let answer = ask(&world, false, 2_000, OTHER_KEY).await;
    assert_eq!(answer.status, 503);
    let answer = ask(&world, false, 3_000, KEY).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "store_unavailable")
    );
}

#[tokio::test]
async fn free_requests_have_no_keys() {
    let world = World::start().await;
    let body = chat(FREE_MODEL, false);
    for _ in 0..2 {
        let answer = world.send_with_key(&body, "", KEY).await;
        // An empty payment is none that could be read.
        assert_eq!(answer.status, 400);
        let answer = world.send(&body, None).await;
        assert_eq!((answer.status, is_replay(&answer)), (200, false));
    }
    assert_eq!(world.upstream.received().len(), 2);
}
