//! Counts the tokens that an answer used.
//!
//! The upstream's own `usage` is used if there is one. If it is missing, or a stream ends early, the text is counted
//! here with a tokenizer: [`Produced::Estimated`]. The tokenizer is OpenAI's o200k; tokenizers of other models differ
//! from it by some tens of percent. A receipt says who counted.

use bytes::Bytes;
use farthing_wire::pricing::Usage;
use serde_json::Value;

use super::events::{self, Events};
use super::produced::Produced;

/// Maximum nesting of JSON in which text is counted.
const MAX_DEPTH: usize = 16;
/// A stream ends when the tokens counted here exceed the requested ones by this factor (plus [`TOLERATED_TOKENS`]). The
/// model's tokenizer may count differently from ours, but not by that much.
const TOLERANCE: u64 = 2;
/// Tokens by which a stream may additionally exceed the limit, so that short answers are not cut off.
const TOLERATED_TOKENS: u64 = 64;

/// The number of tokens of a text.
pub(crate) fn tokens(text: &str) -> u64 {
    bpe_openai::o200k_base().count(text) as u64
}

/// Tokens that the template of a chat model adds to each message.
const TEMPLATE_TOKENS: u64 = 4;

/// The number of tokens of a request's input: its text, plus the configured number of tokens per image.
pub(crate) fn of_input(body: &Value, tokens_per_image: Option<u32>) -> u64 {
    let parts = [
        "messages",
        "prompt",
        "input",
        "instructions",
        "tools",
        "suffix",
    ];
    let parts = parts.iter().filter_map(|part| body.get(part));
    parts
        .map(|part| input_tokens(part, tokens_per_image, MAX_DEPTH))
        .sum()
}

fn input_tokens(value: &Value, tokens_per_image: Option<u32>, depth: usize) -> u64 {
    let inner = |value| input_tokens(value, tokens_per_image, depth - 1);
    match value {
        _ if depth == 0 => 0,
        Value::String(text) if text.starts_with("data:") => tokens_per_image.map_or(0, u64::from),
        Value::String(text) => tokens(text),
        // A prompt may be given as an array of token numbers.
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(inner).sum(),
        Value::Object(fields) => {
            let template = if fields.contains_key("role") {
                TEMPLATE_TOKENS
            } else {
                0
            };
            let labels = ["role", "type"];
            let fields = fields.iter();
            let fields = fields.filter(|(name, _)| !labels.contains(&name.as_str()));
            template + fields.map(|(_, item)| inner(item)).sum::<u64>()
        }
        Value::Null | Value::Bool(_) => 0,
    }
}

/// Loads the tokenizer's tables ahead of the first request, because loading takes a moment.
pub(crate) fn prepare() {
    tokens("");
}

/// What a JSON answer produced; `None` if it is not a JSON object.
pub(crate) fn of_answer(body: &[u8]) -> Option<Produced> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let answer = answer.is_object().then_some(answer)?;
    match answer.get("usage").and_then(Usage::read) {
        Some(usage) => Some(Produced::Counted(usage)),
        None => Some(Produced::Estimated(said(&answer, "message"))),
    }
}

/// Number of tokens of the text in an answer or in a chunk of one: of its `choices`, and of its `output` (Responses
/// API).
fn said(answer: &Value, part: &str) -> u64 {
    let choices = answer.get("choices").and_then(Value::as_array);
    let of_choices = choices.into_iter().flatten().map(|choice| {
        let said = choice
            .get(part)
            .map_or(0, |said| text_tokens(said, MAX_DEPTH));
        let text = choice.get("text").map_or(0, |text| text_tokens(text, 1));
        said + text
    });
    let output = answer.get("output");
    let of_output = output.map_or(0, |output| text_tokens(output, MAX_DEPTH));
    of_choices.sum::<u64>() + of_output
}

/// Number of tokens of all text in a JSON value, except that of fields that are labels.
fn text_tokens(value: &Value, depth: usize) -> u64 {
    match value {
        _ if depth == 0 => 0,
        Value::String(text) => tokens(text),
        Value::Array(items) => items.iter().map(|item| text_tokens(item, depth - 1)).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| {
                let labels = ["role", "id", "type", "status", "call_id"];
                !labels.contains(&name.as_str())
            })
            .map(|(_, item)| text_tokens(item, depth - 1))
            .sum(),
        _ => 0,
    }
}

/// A part of a stream that may be passed on: a complete event or, if the stream is no longer split into events, the
/// bytes as they arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passing {
    pub(crate) bytes: Bytes,
    /// Whether it is the chunk that contains only the usage, which this gateway requests from the upstream.
    pub(crate) is_usage_chunk: bool,
}

/// Counts a stream of server-sent events while it passes.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    events: Events,
    usage: Option<Usage>,
    /// Number of tokens of all text so far.
    said: u64,
    /// Number of tokens of the text after the last `usage`.
    uncounted: u64,
}

impl Meter {
    fn add(&mut self, tokens: u64) {
        self.said += tokens;
        self.uncounted += tokens;
    }

    /// Takes bytes of the upstream and returns the parts that may be passed on.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Passing> {
        let mut passing = Vec::new();
        for part in self.events.feed(bytes) {
            let data = events::data_of(&part).filter(|_| self.events.are_told_apart());
            let is_usage_chunk = match data {
                Some(data) => self.read(&data),
                None => {
                    // It is not a text event, so all of its bytes are counted as text.
                    self.add(tokens(&String::from_utf8_lossy(&part)));
                    false
                }
            };
            passing.push(Passing {
                bytes: part,
                is_usage_chunk,
            });
        }
        passing
    }

    /// Ends the stream and returns the bytes after the last complete event.
    pub(crate) fn rest(&mut self) -> Bytes {
        let rest = self.events.rest();
        if let Some(data) = events::data_of(&rest) {
            self.read(&data);
        }
        rest
    }

    /// Counts an event's data. Returns whether the event contains only the usage.
    fn read(&mut self, data: &str) -> bool {
        if data.is_empty() || data == "[DONE]" {
            return false;
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            self.add(tokens(data));
            return false;
        };
        self.add(said_in_event(&chunk));
        let usage = [chunk.get("usage"), chunk.pointer("/response/usage")];
        let usage = usage.into_iter().flatten().find_map(Usage::read);
        if let Some(usage) = usage {
            self.usage = Some(usage);
            self.uncounted = 0;
        }
        let choices = chunk.get("choices").and_then(Value::as_array);
        usage.is_some() && choices.is_some_and(Vec::is_empty)
    }

    /// Whether the answer exceeds the output tokens that were requested, so that the reservation is spent.
    pub(crate) fn exceeds(&self, output_tokens: u64) -> bool {
        let tolerated = output_tokens
            .saturating_mul(TOLERANCE)
            .saturating_add(TOLERATED_TOKENS);
        let reported = self.usage.map_or(0, |usage| usage.completion_tokens);
        // A usage report at the end of an answer needs no cut, so it matters only if text follows it.
        self.said > tolerated || (reported > output_tokens && self.uncounted > 0)
    }

    /// What was produced by a stream that ended by itself.
    pub(crate) fn complete(&self) -> Produced {
        match self.usage {
            Some(usage) => Produced::Counted(usage),
            None => self.cut(),
        }
    }

    /// What was produced by a stream that the upstream cut off.
    pub(crate) fn cut(&self) -> Produced {
        if self.said == 0 && self.usage.is_none() {
            return Produced::Nothing;
        }
        self.stopped()
    }

    /// What was produced by a stream that was stopped before its end.
    pub(crate) fn stopped(&self) -> Produced {
        match self.usage {
            // Text arrived after the last usage report, so the report may be too low.
            Some(usage) if self.uncounted > 0 => Produced::Counted(Usage {
                completion_tokens: usage.completion_tokens.max(self.said),
                ..usage
            }),
            Some(usage) => Produced::Counted(usage),
            None => Produced::Estimated(self.said),
        }
    }
}

/// Number of tokens of the text that an event adds to an answer: the choices of a chunk, or the delta of a response
/// event.
fn said_in_event(event: &Value) -> u64 {
    let kind = event.get("type").and_then(Value::as_str);
    match (kind, event.get("delta")) {
        (Some(kind), Some(Value::String(delta))) if kind.ends_with(".delta") => tokens(delta),
        // Other response events repeat text that their deltas already had.
        (Some(_), _) => 0,
        (None, _) => said(event, "delta"),
    }
}

#[cfg(test)]
mod tests;
