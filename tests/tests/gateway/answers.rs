//! What upstreams answer, and what it costs: usage in every shape, events of any form, errors in a 200, and streams
//! under other content types.

use std::time::Duration;

use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};
use serde_json::{Value, json};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];
/// The input as it is counted here.
const INPUT: u64 = 9;
/// Forty words, which are forty tokens.
const WORDS: u64 = 40;

fn words() -> String {
    ["river"; 40].join(" ")
}

fn raw(headers: &[(&'static str, &'static str)], body: String) -> Behaviour {
    Behaviour::Raw {
        status: 200,
        headers: headers.to_vec(),
        body: Box::leak(body.into_boxed_str()),
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn said(text: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

fn reported(usage: &Value) -> String {
    event(&json!({"choices": [], "usage": usage}))
}

fn usage(input: u64, output: u64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// Asks once, with the values of a lane counted by `number`.
async fn ask(world: &World, number: u64, stream: bool, behaviour: Behaviour) -> Answer {
    world.upstream.behave(behaviour);
    world.pay(&chat(MODEL, stream), number * 1_000).await
}

#[tokio::test]
async fn what_contradicts_the_answer_is_not_believed() {
    let world = World::start().await;
    for (number, (shape, usage, expected)) in (1..).zip([
        ("as OpenAI counts", usage(50, 40), 50 + 2 * WORDS),
        ("zeros", usage(0, 0), INPUT + 2 * WORDS),
        (
            "no input",
            json!({"prompt_tokens": 0, "completion_tokens": 40}),
            INPUT + 2 * WORDS,
        ),
        ("none", Value::Null, INPUT + 2 * WORDS),
        (
            "text",
            json!({"prompt_tokens": "50", "completion_tokens": 40.0}),
            50 + 2 * WORDS,
        ),
        (
            "negative",
            json!({"prompt_tokens": -5, "completion_tokens": 40}),
            INPUT + 2 * WORDS,
        ),
        (
            "thinking in the total",
            json!({"prompt_tokens": 50, "completion_tokens": 40, "total_tokens": 95}),
            50 + 90,
        ),
        ("above what was asked", usage(50, 5_000), 239),
    ]) {
        let whole =
            json!({"choices": [{"message": {"content": words()}}], "usage": usage}).to_string();
        let answer = ask(&world, 2 * number, false, raw(JSON, whole)).await;
        assert_eq!(
            (answer.status, answer.charged()),
            (200, expected),
            "{shape}"
        );
        let stream = said(&words()) + &reported(&usage) + "data: [DONE]\n\n";
        let answer = ask(&world, 2 * number + 1, true, raw(EVENTS, stream)).await;
        assert_eq!(
            (answer.whole, answer.charged()),
            (true, expected),
            "{shape}, streamed"
        );
    }
}

#[tokio::test]
async fn events_of_any_form_are_counted() {
    let world = World::start().await;
    let (text, end) = (said(&words()), reported(&usage(50, 40)));
    let crlf = |events: &str| events.replace('\n', "\r\n");
    let cr = |events: &str| events.replace('\n', "\r");
    let single = |events: &str| events.replace("\n\n", "\n");
    let padding = "x".repeat(300_000);
    let long = event(&json!({"choices": [{"delta": {"content": words()}}], "padding": padding}));
    for (number, (form, stream)) in (1..).zip([
        ("newlines", format!("{text}{end}data: [DONE]\n\n")),
        ("CRLF", crlf(&format!("{text}{end}data: [DONE]\n\n"))),
        ("CR", cr(&format!("{text}{end}data: [DONE]\n\n"))),
        (
            "single newlines",
            single(&format!("{text}{end}data: [DONE]\n\n")),
        ),
        (
            "no space",
            format!("{text}{end}").replace("data: ", "data:"),
        ),
        (
            "comments and fields",
            format!(": ping\nid: 1\nevent: message\n{text}: ping\n\n{end}"),
        ),
        (
            "nothing behind the last event",
            format!("{text}{}", end.trim_end()),
        ),
        (
            "one newline behind it",
            format!("{text}{}\n", end.trim_end()),
        ),
        ("a long event", format!("{long}{end}")),
        (
            "usage first",
            format!(
                "{}{text}{}",
                reported(&json!({"prompt_tokens": 50, "completion_tokens": 1})),
                reported(&json!({"completion_tokens": 40}))
            ),
        ),
    ]) {
        let answer = ask(&world, number, true, raw(EVENTS, stream)).await;
        assert_eq!(
            (answer.whole, answer.charged()),
            (true, 50 + 2 * WORDS),
            "{form}"
        );
    }
}

#[tokio::test]
async fn an_error_in_a_success_costs_nothing() {
    let world = World::start().await;
    for (number, error) in (1..).zip([
        json!({"error": {"message": "Provider returned error", "code": 429}}),
        json!({"object": "error", "message": "out of memory"}),
        json!({"choices": null}),
        json!({"detail": "Not Found"}),
    ]) {
        let answer = ask(&world, 2 * number, false, raw(JSON, error.to_string())).await;
        assert_eq!((answer.status, answer.charged()), (200, 0), "{error}");
        assert_eq!(answer.body, error.to_string().as_bytes(), "it passes");
        let answer = ask(&world, 2 * number + 1, true, raw(EVENTS, event(&error))).await;
        assert_eq!(answer.charged(), 0, "{error}, streamed");
    }
    let after = said(&words()) + &event(&json!({"error": {"message": "died", "code": 502}}));
    let answer = ask(&world, 100, true, raw(EVENTS, after)).await;
    assert_eq!(answer.charged(), INPUT + 2 * WORDS, "what came counts");
}

#[tokio::test]
async fn a_stream_is_one_whatever_its_type_says() {
    let world = World::start().await;
    let stream = said(&words()) + &reported(&usage(50, 40));
    let types: [&[(&str, &str)]; 3] = [JSON, &[("content-type", "text/plain; charset=utf-8")], &[]];
    for (number, headers) in (1..).zip(types) {
        let answer = ask(&world, number, true, raw(headers, stream.clone())).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(
            (answer.whole, answer.charged()),
            (true, 50 + 2 * WORDS),
            "{headers:?}"
        );
    }
    // And an answer that is none is not taken for one.
    let whole = json!({"choices": [{"message": {"content": words()}}], "usage": usage(50, 40)});
    let answer = ask(&world, 10, true, raw(JSON, format!(" \n{whole}"))).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!((answer.status, answer.charged()), (200, 50 + 2 * WORDS));
    let html = raw(&[("content-type", "text/html")], "<html>".to_owned());
    let answer = ask(&world, 11, true, html).await;
    assert_eq!(
        (answer.status, answer.code()),
        (502, "upstream_invalid".to_owned())
    );
}

#[tokio::test]
async fn a_silent_stream_gets_comments_between_its_events() {
    let world = World::configured(|config| {
        config.http.keep_alive_interval = Duration::from_millis(20);
        config.http.idle_timeout = Duration::from_millis(300);
    })
    .await;
    let answer = ask(&world, 1, true, Behaviour::StallAfterOne).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.matches("\n\n: keep-alive\n\n").count() >= 2, "{text}");
    // What has not come whole is not broken up by a comment.
    let before = text.split(": keep-alive").next().expect("the beginning");
    assert!(before.ends_with("}\n\n"), "{text}");
}

#[tokio::test]
async fn messages_are_sold_whole_and_as_streams() {
    let world = World::start().await;
    let body = |stream: bool| {
        json!({"model": MODEL, "max_tokens": 50, "stream": stream, "system": "be kind",
            "messages": [{"role": "user", "content": "how many years ago?"}]})
    };
    let whole = json!({"type": "message", "content": [{"type": "text", "text": words()}],
        "usage": {"input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 40}});
    let events = [
        (
            "message_start",
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 50, "output_tokens": 1}}}),
        ),
        (
            "content_block_delta",
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": words()}}),
        ),
        (
            "message_delta",
            json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 40}}),
        ),
        ("message_stop", json!({"type": "message_stop"})),
    ];
    let events = events
        .map(|(kind, data)| format!("event: {kind}\n{}", event(&data)))
        .concat();
    for (number, stream, behaviour) in [
        (1, false, raw(JSON, whole.to_string())),
        (2, true, raw(EVENTS, events)),
    ] {
        world.upstream.behave(behaviour);
        let body = body(stream);
        let quoted = world.post("/v1/messages", &body, None).await;
        let accepted = quoted.required().accepts.remove(0);
        let payment = world.agent(0).pay(&accepted, number * 1_000);
        let answer = world.post("/v1/messages", &body, Some(&payment)).await;
        assert_eq!((answer.status, answer.charged()), (200, 50 + 2 * WORDS));
        let received = world.upstream.received().pop().expect("it was asked");
        assert_eq!(received.body, body, "nothing needed a change");
        assert_eq!(received.headers["x-api-key"], "upstream-secret");
    }
}
