//! Seeds of answers, as upstreams of many kinds send them.

use serde_json::{Value, json};

use super::Seed;
use crate::fuzz::answer::{STREAM, USAGE};

const CHAT: u8 = 0;
const COMPLETIONS: u8 = 1;
const RESPONSES: u8 = 2;
const EMBEDDINGS: u8 = 3;
const MESSAGES: u8 = 4;

/// Whole answers and streams.
pub(super) fn answers() -> Vec<Seed> {
    let mut seeds = whole();
    seeds.extend(streams());
    seeds
}

fn whole() -> Vec<Seed> {
    let message = json!([{"index": 0, "message": {"role": "assistant", "content": "four score"}}]);
    let reasoned = json!([{"message": {"content": "four", "reasoning_content": "how many?"}}]);
    let called = json!([{"message": {"content": null, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]}}]);
    let usage =
        |input: u64, output: u64| json!({"prompt_tokens": input, "completion_tokens": output});
    let output = json!([
        {"type": "reasoning", "encrypted_content": "AAAA", "summary": []},
        {"type": "web_search_call", "status": "completed"},
        {"type": "message", "content": [{"type": "output_text", "text": "four score"}]},
    ]);
    [
        ("usage", CHAT, json!({"choices": message, "usage": usage(10, 5)})),
        ("zeros", CHAT, json!({"choices": message, "usage": usage(0, 0)})),
        ("no_usage", CHAT, json!({"choices": message})),
        ("called", CHAT, json!({"choices": called, "usage": usage(10, 5)})),
        (
            "reasoning_beside",
            CHAT,
            json!({"choices": reasoned, "usage": {"prompt_tokens": "10", "completion_tokens": 2.0,
                "completion_tokens_details": {"reasoning_tokens": 7}, "total_tokens": 19}}),
        ),
        (
            "thinking_in_the_total",
            CHAT,
            json!({"choices": message, "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 3,
                "thoughtsTokenCount": 9, "totalTokenCount": 22}}),
        ),
        (
            "timings",
            CHAT,
            json!({"choices": message, "timings": {"prompt_n": 3, "cache_n": 7, "predicted_n": 5}}),
        ),
        (
            "boundless",
            CHAT,
            json!({"choices": message, "usage": usage(u64::MAX, u64::MAX)}),
        ),
        ("error", CHAT, json!({"error": {"message": "no capacity", "code": 500}})),
        ("no_choices", CHAT, json!({"choices": null, "usage": usage(10, 5)})),
        (
            "text",
            COMPLETIONS,
            json!({"choices": [{"text": "four score"}], "usage": usage(10, 5)}),
        ),
        (
            "items",
            RESPONSES,
            json!({"output": output, "usage": {"input_tokens": 10, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 3}}}),
        ),
        (
            "vectors",
            EMBEDDINGS,
            json!({"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 10, "total_tokens": 10}}),
        ),
        (
            "blocks",
            MESSAGES,
            json!({"content": [{"type": "text", "text": "four score"}], "usage": {"input_tokens": 1,
                "cache_read_input_tokens": 9, "output_tokens": 5, "server_tool_use": {"web_search_requests": 2}}}),
        ),
    ]
    .into_iter()
    .map(|(name, selector, answer)| seed(name, selector, &answer.to_string()))
    .collect()
}

fn seed(name: &str, selector: u8, answer: &str) -> Seed {
    Seed::new("answer", name, [&[selector], answer.as_bytes()].concat())
}

/// Events, as most servers end them.
fn events(data: &[Value]) -> String {
    let mut text = String::new();
    for value in data {
        text.push_str(&format!("data: {value}\n\n"));
    }
    text + "data: [DONE]\n\n"
}

fn streams() -> Vec<Seed> {
    let piece = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}});
    let plain = events(&[piece("four"), piece("score"), usage.clone()]);
    let growing = events(&[
        json!({"choices": [{"delta": {"content": "four"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 1}}),
        json!({"choices": [{"delta": {"content": "score"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}),
    ]);
    let failed = events(&[piece("four"), json!({"error": {"message": "no capacity"}})]);
    let long = events(&[piece(&"four score ".repeat(12)), piece("and seven"), usage]);
    let responses = [
        ("response.created", json!({"response": {"usage": null}})),
        ("response.output_text.delta", json!({"delta": "four score"})),
        (
            "response.completed",
            json!({"response": {"usage": {"input_tokens": 10, "output_tokens": 5}}}),
        ),
    ];
    let messages = [
        (
            "message_start",
            json!({"message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}),
        ),
        (
            "content_block_delta",
            json!({"delta": {"type": "text_delta", "text": "four score"}}),
        ),
        ("message_delta", json!({"usage": {"output_tokens": 5}})),
        ("message_stop", json!({})),
    ];
    [
        ("plain", CHAT | STREAM, plain.clone()),
        ("plain_with_usage", CHAT | STREAM | USAGE, plain.clone()),
        (
            "carriage_returns",
            CHAT | STREAM | USAGE,
            plain.replace('\n', "\r"),
        ),
        ("both_ends", CHAT | STREAM, plain.replace('\n', "\r\n")),
        (
            "single_newlines",
            CHAT | STREAM,
            plain.replace("\n\n", "\n"),
        ),
        (
            "unended",
            CHAT | STREAM | USAGE,
            plain.trim_end().to_owned(),
        ),
        (
            "comments",
            CHAT | STREAM | USAGE,
            format!(": keep-alive\n\n{plain}: bye\n"),
        ),
        ("growing", CHAT | STREAM, growing),
        ("failed", CHAT | STREAM, failed),
        ("runs_away", CHAT | STREAM, long),
        ("response_events", RESPONSES | STREAM, named(&responses)),
        ("message_events", MESSAGES | STREAM, named(&messages)),
    ]
    .into_iter()
    .map(|(name, selector, text)| seed(&format!("stream_{name}"), selector, &text))
    .collect()
}

/// Events with names, whose data repeats them.
fn named(events: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (name, data) in events {
        let mut data = data.clone();
        data["type"] = (*name).into();
        text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }
    text
}
