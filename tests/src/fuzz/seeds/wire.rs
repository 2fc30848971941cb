//! Seeds of headers, request bodies and amounts, as written by gateway, agents and people.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_wire::x402::{NETWORK_DEVNET, SCHEME};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::Seed;
use crate::fuzz::payment::{ENCODED, HEADERS};
use crate::fuzz::request::{DEAR, TEXT_ONLY, WITH_IMAGES};

/// The x402 headers, as JSON and as encoded for transmission.
pub(super) fn payments() -> Vec<Seed> {
    let mut other_scheme = payment();
    other_scheme["accepted"]["scheme"] = "exact".into();
    other_scheme["payload"] = json!({"transaction": "AQAB", "weight": 0.1, "authorized": null});
    let mut extended = payment();
    extended["extensions"] = json!({"discovery": {"on": true}});
    extended["resource"] = json!({"url": "http://127.0.0.1/", "mimeType": "application/json"});
    let mut refused = required();
    refused["error"] = "ceiling_below_need".into();
    refused["accepts"][0]["extra"]["channelState"] = json!({
        "channel": key(5), "deposit": "10000000", "debited": "400", "closing": false,
    });
    refused["accepts"][0]["extra"]["voucherState"] = json!({
        "authorized": "2100", "signature": signature(), "charged": "400", "reserved": "0",
    });
    let unsuccessful = json!({
        "success": false, "errorReason": "signature", "errorMessage": "not the lane's key",
        "transaction": "", "network": NETWORK_DEVNET,
    });
    let mut seeds = Vec::new();
    for (name, header, value) in [
        ("voucher", "signature", payment()),
        ("other_scheme", "signature", other_scheme),
        ("extended", "signature", extended),
        ("offer", "required", required()),
        ("refused", "required", refused),
        ("charged", "response", response("charged")),
        ("reserved", "response", response("reserved")),
        ("unsuccessful", "response", unsuccessful),
    ] {
        let selector = HEADERS.iter().zip(0..).find(|(one, _)| **one == header);
        let (_, selector) = selector.expect("a header");
        let text = value.to_string();
        let encoded = STANDARD.encode(&text);
        let json = [&[selector], text.as_bytes()].concat();
        let base64 = [&[selector | ENCODED], encoded.as_bytes()].concat();
        seeds.push(Seed::new("payment", format!("{header}_{name}_json"), json));
        seeds.push(Seed::new("payment", format!("{header}_{name}"), base64));
    }
    seeds
}

fn key(byte: u8) -> String {
    Pubkey::new_from_array([byte; 32]).to_string()
}

fn signature() -> String {
    Signature::from([9; 64]).to_string()
}

fn requirements() -> Value {
    json!({
        "scheme": SCHEME, "network": NETWORK_DEVNET, "amount": "2100", "asset": key(1),
        "payTo": key(2), "maxTimeoutSeconds": 600,
        "extra": {"program": key(3), "settler": key(4), "graceSeconds": 900, "minDeposit": "0"},
    })
}

fn payment() -> Value {
    json!({
        "x402Version": 2,
        "payload": {
            "type": "voucher", "channel": key(5), "lane": 3, "generation": 1,
            "authorized": "2100", "signature": signature(),
        },
        "accepted": requirements(),
    })
}

fn required() -> Value {
    let mut offered = requirements();
    offered["extra"]["pricing"] = json!({"models": {"m": {
        "inputPerMillion": "150000", "outputPerMillion": "600000", "perRequest": "0",
        "minimum": "1", "maxOutputTokens": 4096, "tokensPerImage": 1000,
    }}});
    json!({
        "x402Version": 2, "error": "payment_required",
        "resource": {"url": "http://127.0.0.1:8402/v1/chat/completions", "description": "m"},
        "accepts": [offered],
    })
}

fn response(state: &str) -> Value {
    json!({
        "success": true, "payer": key(6), "transaction": "", "network": NETWORK_DEVNET,
        "amount": "400",
        "extra": {
            "state": state, "charged": "400", "chargedTotal": "1200", "reserved": "0",
            "authorized": "2100", "deposit": "10000000",
        },
    })
}

/// Chat completions that are sold, and some that are not.
pub(super) fn requests() -> Vec<Seed> {
    let image = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]);
    let tool = json!([{"type": "function", "function": {
        "name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
    }}]);
    let called = json!([
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "add", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "2"}]},
    ]);
    [
        ("plain", TEXT_ONLY, json!({})),
        ("stream", TEXT_ONLY, json!({"stream": true})),
        (
            "stream_options",
            TEXT_ONLY,
            json!({"stream": true, "stream_options": {"include_usage": false}}),
        ),
        (
            "choices",
            TEXT_ONLY,
            json!({"n": 4, "max_completion_tokens": 64}),
        ),
        (
            "tools",
            TEXT_ONLY,
            json!({"tools": tool, "tool_choice": "auto"}),
        ),
        ("tool_calls", TEXT_ONLY, json!({"messages": called})),
        (
            "image",
            WITH_IMAGES,
            json!({"messages": [{"role": "user", "content": image}]}),
        ),
        ("dear", DEAR, json!({"max_tokens": 1})),
        ("unknown_model", "m", json!({})),
        (
            "unbounded_field",
            TEXT_ONLY,
            json!({"web_search_options": {}}),
        ),
        (
            "two_maxima",
            TEXT_ONLY,
            json!({"max_tokens": 1, "max_completion_tokens": 1}),
        ),
        ("no_messages", TEXT_ONLY, json!({"messages": []})),
        (
            "sampling",
            TEXT_ONLY,
            json!({"temperature": 0.7, "stop": ["\n"], "response_format": {"type": "json_object"}}),
        ),
    ]
    .into_iter()
    .map(|(name, model, changes)| request(name, model, changes))
    .chain(of_other_endpoints())
    .collect()
}

/// Bodies of the endpoints that are not chat completions.
fn of_other_endpoints() -> Vec<Seed> {
    let input = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "how many?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AAAA"},
        {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "2"},
    ]);
    let responses = json!({
        "model": TEXT_ONLY, "instructions": "Be brief.", "input": input, "stream": true, "store": false,
        "include": ["reasoning.encrypted_content"], "tools": [{"type": "function", "name": "add"}],
    });
    let messages = json!({
        "model": TEXT_ONLY, "max_tokens": 64, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "how many?", "cache_control": {"type": "ephemeral"}},
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "2"}]},
        ]}],
        "tools": [{"name": "add", "input_schema": {"type": "object"}}],
    });
    let completion = json!({"model": TEXT_ONLY, "prompt": ["how", "many"], "suffix": "?", "max_tokens": 9, "echo": true});
    let embedding = json!({"model": TEXT_ONLY, "input": [[1, 2, 3], [4]], "dimensions": 8});
    [
        ("responses", responses),
        ("messages", messages),
        ("completion", completion),
        ("embedding", embedding),
    ]
    .into_iter()
    .map(|(name, body)| Seed::new("request", format!("of_{name}"), body.to_string()))
    .collect()
}

fn request(name: &str, model: &str, changes: Value) -> Seed {
    let mut body = json!({
        "model": model,
        "messages": [{"role": "user", "content": "Why is a farthing called a farthing?"}],
        "max_tokens": 100,
    });
    let Value::Object(changes) = changes else {
        unreachable!("changes are fields");
    };
    for (field, value) in changes {
        body[&field] = value;
    }
    Seed::new("request", name, body.to_string())
}

/// Amounts as people and the wire write them, right and wrong.
pub(super) fn amounts() -> Vec<Seed> {
    [
        ("whole", "12"),
        ("fraction", "0.25"),
        ("no_whole", ".5"),
        ("no_fraction", "1."),
        ("smallest", "0.000001"),
        ("largest", "18446744073709.551615"),
        ("too_large", "18446744073709.551616"),
        ("too_precise", "0.0000001"),
        ("largest_base_units", "18446744073709551615"),
        ("too_many_base_units", "18446744073709551616"),
        ("leading_zeros", "000000000000000000000000001"),
        ("empty", ""),
        ("point", "."),
        ("two_points", "1.2.3"),
        ("signed", "+1"),
        ("comma", "1,5"),
        ("exponent", "1e3"),
        ("other_digits", "\u{661}"),
    ]
    .into_iter()
    .map(|(name, text)| Seed::new("amount", name, text))
    .collect()
}
