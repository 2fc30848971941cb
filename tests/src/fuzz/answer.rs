//! Fuzz target for what upstreams answer.
//!
//! The first byte selects the endpoint, whether a stream was asked for, and the pieces in which the answer arrives. An
//! answer costs at most the maximum; a stream of events costs the same in whatever pieces it arrives; and a client that
//! asked for usage itself gets every byte.

use farthing_protocol::BaseUnits;
use farthing_verifier::rehearsal::{Rehearsed, stream, whole};
use farthing_wire::pricing::{BodyRules, Endpoint, ModelPrice, Quote, RequestBody};
use serde_json::json;

/// Bit of the selector by which the answer is a stream.
pub const STREAM: u8 = 0x80;
/// Bit of the selector by which the client asked for usage.
pub const USAGE: u8 = 0x40;
/// Bits of the selector that are the index of the endpoint.
const ENDPOINT: u8 = 0x07;
/// Bits of the selector that are the length of the pieces.
const LENGTH: u8 = 0x38;

/// The first byte is the selector, the others are the answer.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Some((selector, answer)) = data.split_first() else {
        return;
    };
    let endpoint = Endpoint::ALL[usize::from(selector & ENDPOINT) % Endpoint::ALL.len()];
    let has_streams = !matches!(endpoint, Endpoint::Embeddings | Endpoint::CountTokens);
    let streams = selector & STREAM != 0 && has_streams;
    let body = body(endpoint, streams, selector & USAGE != 0);
    let quote = price().quote(endpoint, &body, &BodyRules::default());
    let quote = quote.expect("the body has a price");
    if !streams {
        if let Some(rehearsed) = whole(&quote, &body, answer) {
            check(&quote, &rehearsed);
        }
        return;
    }
    let at_once = stream(&quote, &body, [answer]);
    check(&quote, &at_once);
    let length = usize::from((selector & LENGTH) >> 3) + 1;
    let in_pieces = stream(&quote, &body, answer.chunks(length));
    check(&quote, &in_pieces);
    if at_once.is_spent || in_pieces.is_spent {
        // A stream that ran away ends with the piece in which it did.
        assert!(at_once.passed.starts_with(&in_pieces.passed));
        return;
    }
    // Bytes that are no events count as they come.
    if has_only_events(answer) {
        assert_eq!(
            (at_once.charge, at_once.glance),
            (in_pieces.charge, in_pieces.glance)
        );
    }
    // The events of the other endpoints always report it.
    let has_options = matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
    if selector & USAGE != 0 || !has_options {
        assert_eq!(at_once.passed, answer);
        assert_eq!(in_pieces.passed, answer);
    }
}

/// Whether every line is one of an event.
fn has_only_events(answer: &[u8]) -> bool {
    let is_of_event = |line: &str| {
        let fields = ["data:", "event:", "id:", "retry:", ":"];
        line.is_empty() || fields.iter().any(|field| line.starts_with(field))
    };
    std::str::from_utf8(answer).is_ok_and(|text| text.split(['\n', '\r']).all(is_of_event))
}

fn check(quote: &Quote, rehearsed: &Rehearsed) {
    assert!(rehearsed.charge <= quote.maximum);
    assert!(rehearsed.glance <= quote.maximum);
}

/// A request of at most 16 tokens.
fn body(endpoint: Endpoint, streams: bool, usage: bool) -> RequestBody {
    let mut body = match endpoint {
        Endpoint::ChatCompletions => json!({
            "max_tokens": 16, "messages": [{"role": "user", "content": "how many?"}],
        }),
        Endpoint::Completions => json!({"max_tokens": 16, "prompt": "how many?"}),
        Endpoint::Responses => json!({"max_output_tokens": 16, "input": "how many?"}),
        Endpoint::Embeddings => json!({"input": "how many?"}),
        Endpoint::Messages | Endpoint::CountTokens => json!({
            "max_tokens": 16, "messages": [{"role": "user", "content": "how many?"}],
        }),
    };
    if endpoint == Endpoint::CountTokens {
        body.as_object_mut().map(|body| body.remove("max_tokens"));
    }
    body["model"] = "m".into();
    if streams {
        body["stream"] = true.into();
    }
    if streams && usage && matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions) {
        body["stream_options"] = json!({"include_usage": true});
    }
    RequestBody::try_from(body).expect("it is an object")
}

fn price() -> ModelPrice {
    ModelPrice {
        input_per_million: BaseUnits(1_000_000),
        cached_input_per_million: Some(BaseUnits(100_000)),
        output_per_million: BaseUnits(2_000_000),
        reasoning_per_million: Some(BaseUnits(3_000_000)),
        minimum: BaseUnits(2),
        ..ModelPrice::free(64)
    }
}
