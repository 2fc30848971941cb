//! Tests of an upstream that is down, slow, faulty or cut off, and of clients that disconnect.

use std::time::Duration;

use bytesize::ByteSize;
use farthing_tests::gateway::upstream::PIECES;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};

const MAXIMUM: u64 = 239;
/// A quarter of the input's bound, for a client that goes before anything else is known.
const INPUT_ESTIMATE: u64 = 10;
/// The input as a tokenizer counts it: four words, a question mark, and four for the message.
const INPUT_COUNTED: u64 = 9;

fn raw(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Behaviour {
    Behaviour::Raw {
        status,
        headers: headers.to_vec(),
        body,
    }
}

/// An error of the upstream costs nothing, and the answer says so.
fn assert_free(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status);
    assert_eq!(answer.charged(), 0);
}

#[tokio::test]
async fn an_error_of_the_upstream_passes_and_costs_nothing() {
    let world = World::start().await;
    let body = r#"{"error":{"message":"too many","code":"rate_limit"}}"#;
    for (number, status) in (1..).zip([400, 403, 404, 429, 500, 503]) {
        world
            .upstream
            .behave(raw(status, &[("retry-after", "7")], body));
        for stream in [false, true] {
            let value = number * 1_000 + u64::from(stream);
            let answer = world.pay(&chat(MODEL, stream), value).await;
            assert_free(&answer, status);
            assert_eq!(answer.body, body.as_bytes());
            assert_eq!(answer.headers["retry-after"], "7");
        }
    }
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn an_answer_that_must_not_pass_costs_nothing() {
    let world = World::configured(|config| config.http.max_answer_bytes = ByteSize(1_024)).await;
    let json = ("content-type", "application/json");
    let long: &'static str = Box::leak("x".repeat(1_025).into_boxed_str());
    let behaviours = [
        raw(200, &[("content-type", "text/html")], "<html>"),
        raw(200, &[json], "[1, 2]"),
        raw(200, &[json], ""),
        raw(200, &[json], long),
        raw(200, &[json, ("content-encoding", "gzip")], "{}"),
        raw(302, &[("location", "http://127.0.0.1:1/")], ""),
        raw(
            401,
            &[("www-authenticate", "Bearer")],
            "wrong key sk-upstream",
        ),
        raw(402, &[json], "{}"),
        Behaviour::CutJson,
    ];
    for (number, behaviour) in (1..).zip(behaviours) {
        let name = format!("{behaviour:?}");
        world.upstream.behave(behaviour);
        let answer = world.pay(&chat(MODEL, false), number * 1_000).await;
        assert_eq!(answer.code(), "upstream_invalid", "{name}");
        assert_free(&answer, 502);
    }
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn an_upstream_that_is_down_costs_nothing() {
    // Nothing listens on the discard port.
    let world =
        World::configured(|config| config.http.upstream = Some("http://127.0.0.1:9".to_owned()))
            .await;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!(answer.code(), "upstream_unreachable");
    assert_free(&answer, 502);
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn an_upstream_that_is_slow_costs_nothing() {
    let world =
        World::configured(|config| config.http.first_byte_timeout = Duration::from_millis(100))
            .await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_secs(30), 1, 1));
    let answer = world.pay(&chat(MODEL, true), MAXIMUM).await;
    assert_eq!(answer.code(), "upstream_timeout");
    assert_free(&answer, 504);
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn a_stream_cut_by_the_upstream_is_charged_for_what_came() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::CutAfter(2));
    let answer = world.pay(&chat(MODEL, true), MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.whole),
        (200, false),
        "a part does not pass for the whole"
    );
    let text = String::from_utf8_lossy(answer.before_receipt()).into_owned();
    assert!(text.contains(PIECES[0]) && text.contains(PIECES[1]));
    // The half event never leaves.
    assert!(
        text.ends_with("}\n\n") && !text.contains("data: {\"choi\n"),
        "{text}"
    );
    // Each piece is one token.
    let expected = INPUT_COUNTED + 2 * 2;
    assert_eq!(answer.charged(), expected);
    assert_eq!(world.charged_at_rest().await, expected);
}

#[tokio::test]
async fn a_stream_cut_before_it_said_anything_costs_nothing() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::CutAfter(0));
    let answer = world.pay(&chat(MODEL, true), MAXIMUM).await;
    assert_eq!((answer.whole, answer.charged()), (false, 0));
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn a_stream_that_stalls_is_cut_off() {
    let world =
        World::configured(|config| config.http.idle_timeout = Duration::from_millis(200)).await;
    world.upstream.behave(Behaviour::StallAfterOne);
    let answer = world.pay(&chat(MODEL, true), MAXIMUM).await;
    assert!(!answer.whole);
    assert_eq!(answer.charged(), INPUT_COUNTED + 2);
    assert_eq!(world.charged_at_rest().await, INPUT_COUNTED + 2);
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_stops_the_upstream_and_pays_for_what_came() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let mut stream = world.begin(&body, Some(&payment)).await;
    let mut length = 0;
    while length < 1_000 {
        length += stream
            .chunk()
            .await
            .expect("it streams")
            .expect("for ever")
            .len();
    }
    assert_eq!(world.upstream.streams_open(), 1);
    drop(stream);
    world
        .until("the upstream is stopped", || {
            world.upstream.streams_open() == 0
        })
        .await;
    let charged = world.charged_at_rest().await;
    assert!(
        (INPUT_COUNTED + 2 * 10..=MAXIMUM).contains(&charged),
        "{charged}"
    );
    world.upstream.behave(Behaviour::Answer(10, 5));
    let answer = world.pay(&chat(MODEL, false), charged + MAXIMUM).await;
    assert_eq!(answer.charged(), 20);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_pays_for_the_input() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_secs(30), 1, 1));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    tokio::select! {
        _ = world.begin(&body, Some(&payment)) => panic!("the answer takes long"),
        () = world.until("the upstream works", || world.upstream.received().len() == 1) => {}
    }
    assert_eq!(world.charged_at_rest().await, INPUT_ESTIMATE);
}

#[tokio::test]
async fn a_client_that_stops_reading_does_not_hold_the_upstream() {
    let world =
        World::configured(|config| config.http.idle_timeout = Duration::from_millis(300)).await;
    world.upstream.behave(Behaviour::Raw {
        status: 200,
        headers: vec![("content-type", "text/event-stream")],
        body: Box::leak("data: {}\n\n".repeat(4_000_000).into_boxed_str()),
    });
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let _unread = world.begin(&body, Some(&payment)).await;
    assert!(world.charged_at_rest().await <= MAXIMUM);
}
