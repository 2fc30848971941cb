//! Counts the tokens that an answer used.
//!
//! Where the upstream reports its usage, that decides ([`Report`]). What it does not report, or what a stream that was
//! stopped no longer could report, is the text that was seen, counted with a tokenizer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use farthing_wire::pricing::{Change, StreamUsage, changed};
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::{Map, Value};

use super::events::{self, DONE, Events, Part, Read};
use super::failure::is_failure;
use super::produced::Produced;
use super::report::Report;
use super::text::{of_choices, of_items, tokens};

/// A stream ends when the tokens counted here exceed the requested ones by this factor (plus [`TOLERATED_TOKENS`]), for
/// the case that an upstream does not stop. Our tokenizer may split a language several times finer than the model's, and
/// a stream must not be cut for that.
const TOLERANCE: u64 = 8;
/// Tokens by which a stream may additionally exceed the limit, so that short answers are not cut off.
const TOLERATED_TOKENS: u64 = 64;

/// Loads the tokenizer's tables ahead of the first request, because loading takes a moment.
pub(crate) fn prepare() {
    tokens("");
}

/// The parts of a JSON answer that are metered; the rest, such as the vectors of embeddings, is skipped.
macro_rules! answer {
    ($($field:ident),+) => {
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct Answer {
            $(#[serde(deserialize_with = "given")]
            $field: Option<Value>,)+
            data: Option<IgnoredAny>,
        }

        impl Answer {
            /// The parts that were given, also those that are null.
            fn parts(self) -> Map<String, Value> {
                let parts = [$((stringify!($field), self.$field)),+].into_iter();
                let given = parts.filter_map(|(name, value)| Some((name.to_owned(), value?)));
                given.collect()
            }
        }
    };
}

answer!(
    choices, content, error, message, object, output, status, timings, usage, x_groq
);

/// Reads a field that was given, also if it is null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What a JSON answer produced; `None` if it is not a JSON object. Without `believes_reports` its usage is counted here.
pub(crate) fn of_answer(body: &[u8], believes_reports: bool) -> Option<Produced> {
    // An array would be read as the fields in their order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let answer: Answer = is_object.then(|| serde_json::from_slice(body).ok())??;
    let has_data = answer.data.is_some();
    let parts = answer.parts();
    let items = ["output", "content"]
        .iter()
        .filter_map(|name| parts.get(*name));
    let of_items: u64 = items.clone().map(of_items).sum();
    let has_answer = has_data || parts.contains_key("choices") || items.count() > 0;
    let calls = parts.get("output").map(calls_in).unwrap_or_default();
    let answer = Value::Object(parts);
    let said = of_choices(&answer, "message") + of_items;
    let report = Report::of(&answer);
    if said == 0 && (is_failure(&answer) || (!has_answer && report.is_none())) {
        return Some(Produced::Nothing);
    }
    let report = report.filter(|_| believes_reports).unwrap_or_default();
    Some(report.produced(said, false, &calls))
}

/// Calls of tools that the upstream ran, among the items of a response.
fn calls_in(items: &Value) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for item in items.as_array().into_iter().flatten() {
        if let Some(tool) = tool_called(item) {
            *calls.entry(tool.to_owned()).or_default() += 1;
        }
    }
    calls
}

/// The tool that the upstream ran, if this item of a response is a call of one.
fn tool_called(item: &Value) -> Option<&str> {
    let kind = item.get("type").and_then(Value::as_str)?;
    let tool = kind.strip_suffix("_call")?;
    let run_by_client = [
        "function",
        "custom_tool",
        "local_shell",
        "shell",
        "apply_patch",
        "computer",
    ];
    (!run_by_client.contains(&tool)).then_some(tool)
}

/// Counts a stream of server-sent events while it passes.
#[derive(Debug)]
pub(crate) struct Meter {
    events: Events,
    /// Which reports of usage the client asked for.
    usage: StreamUsage,
    /// Whether the upstream was asked for a report with every chunk, although the client does not want them.
    strips: bool,
    /// Whether the upstream's reports are about the whole answer.
    believes_reports: bool,
    report: Report,
    has_report: bool,
    /// Number of tokens of all text so far.
    said: u64,
    /// Number of tokens of the text after the last report.
    unreported: u64,
    /// Whether an event reported an error.
    failed: bool,
    calls: BTreeMap<String, u64>,
}

impl Meter {
    pub(crate) fn new(usage: StreamUsage, strips: bool, believes_reports: bool) -> Self {
        Self {
            events: Events::default(),
            usage,
            strips,
            believes_reports,
            report: Report::default(),
            has_report: false,
            said: 0,
            unreported: 0,
            failed: false,
            calls: BTreeMap::new(),
        }
    }

    fn add(&mut self, tokens: u64) {
        self.said += tokens;
        self.unreported += tokens;
    }

    /// Takes bytes of the upstream and returns the parts that may be passed on.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        let parts = self.events.feed(bytes);
        parts
            .into_iter()
            .filter_map(|part| self.read(part))
            .collect()
    }

    /// Ends the stream and returns the bytes after the last complete event.
    pub(crate) fn rest(&mut self) -> Bytes {
        let rest = self.events.rest();
        rest.and_then(|part| self.read(part)).unwrap_or_default()
    }

    /// Whether something may be put between the events that have passed and those that follow.
    pub(crate) const fn is_between_events(&self) -> bool {
        self.events.is_between_events()
    }

    /// Reads a part, and returns what passes of it.
    fn read(&mut self, part: Part) -> Option<Bytes> {
        let event = match part.read {
            Read::Event(event) => event,
            Read::Unfinished => return Some(part.bytes),
            Read::Bytes => {
                self.add(tokens(&String::from_utf8_lossy(&part.bytes)));
                return Some(part.bytes);
            }
        };
        let Some(data) = events::data_of(&event) else {
            // It is not text, so all of its bytes count as text.
            self.add(tokens(&String::from_utf8_lossy(event.trim_ascii_end())));
            return Some(part.bytes);
        };
        // Some servers answer with an object where a stream of events was announced.
        let data = match std::str::from_utf8(&event).map(after_comments) {
            Ok(text) if data.is_empty() && text.starts_with('{') => Cow::Borrowed(text),
            _ => data,
        };
        let Some(chunk) = self.read_data(&data) else {
            return Some(part.bytes);
        };
        let has_passed_partly = part.bytes.len() < event.len();
        if has_passed_partly || chunk.get("usage").is_none_or(Value::is_null) {
            return Some(part.bytes);
        }
        let choices = chunk.get("choices").and_then(Value::as_array);
        match (self.usage, choices.map(Vec::is_empty)) {
            (StreamUsage::Hidden, Some(true)) => None,
            (StreamUsage::Hidden | StreamUsage::AtEnd, Some(false)) if self.strips => {
                Some(without_usage(&event, &data).unwrap_or(part.bytes))
            }
            _ => Some(part.bytes),
        }
    }

    /// Counts an event's data, and returns the chunk if it is one.
    fn read_data(&mut self, data: &str) -> Option<Value> {
        if data.is_empty() || data == DONE {
            return None;
        }
        if let Ok(chunk) = serde_json::from_str::<Value>(data) {
            self.count(&chunk);
            return Some(chunk);
        }
        // Some servers leave the blank lines between their events out.
        let chunks: Option<Vec<Option<Value>>> = data
            .lines()
            .map(|line| match line {
                "" | DONE => Some(None),
                line => serde_json::from_str(line).ok().map(Some),
            })
            .collect();
        match chunks {
            Some(chunks) => chunks.iter().flatten().for_each(|chunk| self.count(chunk)),
            None => self.add(tokens(data)),
        }
        None
    }

    fn count(&mut self, chunk: &Value) {
        self.add(said_in(chunk, self.said == 0));
        let kind = chunk.get("type").and_then(Value::as_str);
        if kind == Some("response.output_item.done")
            && let Some(tool) = chunk.get("item").and_then(tool_called)
        {
            *self.calls.entry(tool.to_owned()).or_default() += 1;
        }
        let report = Report::of(chunk);
        // Some servers report usage in a chunk whose choices are null.
        let is_report = report.is_some() && chunk.get("choices").is_some_and(Value::is_null);
        self.failed |= is_failure(chunk) && !is_report;
        if let Some(report) = report.filter(|_| self.believes_reports) {
            self.report.update(report);
            self.has_report = true;
            self.unreported = 0;
        }
    }

    /// Whether the answer exceeds the output tokens that were requested, so that the reservation is spent.
    pub(crate) fn exceeds(&self, output_tokens: u64) -> bool {
        let tolerated = output_tokens
            .saturating_mul(TOLERANCE)
            .saturating_add(TOLERATED_TOKENS);
        let reported = self.report.output().unwrap_or(0);
        // A report at the end of an answer needs no cut, so it matters only if text follows it.
        self.said > tolerated || (reported > output_tokens && self.unreported > 0)
    }

    /// What was produced by a stream that ended by itself, or that the upstream cut off.
    pub(crate) fn produced(&self) -> Produced {
        let is_empty = self.said == 0 && (self.failed || !self.has_report);
        if is_empty {
            return Produced::Nothing;
        }
        self.stopped()
    }

    /// What was produced by a stream that broke off. Before any output that is nothing, although the input was reported,
    /// with the one token that some servers report before they have made any.
    pub(crate) fn cut(&self) -> Produced {
        if self.said == 0 && self.report.output().unwrap_or(0) <= 1 {
            return Produced::Nothing;
        }
        self.produced()
    }

    /// What was produced by a stream that was stopped before its end.
    pub(crate) fn stopped(&self) -> Produced {
        if self.failed && self.said == 0 {
            return Produced::Nothing;
        }
        let is_outdated = self.unreported > 0;
        self.report.produced(self.said, is_outdated, &self.calls)
    }

    /// Whether the upstream's last report counts all of the text.
    pub(crate) const fn has_current_report(&self) -> bool {
        self.has_report && self.unreported == 0 && self.said > 0
    }

    /// Number of tokens of the text so far.
    pub(crate) const fn said(&self) -> u64 {
        self.said
    }
}

/// What follows the comments at the beginning of a text.
fn after_comments(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with(':') {
        let line_end = text.find(['\n', '\r']).unwrap_or(text.len());
        text = text[line_end..].trim_start();
    }
    text
}

/// An event without the usage in its data.
fn without_usage(event: &Bytes, data: &str) -> Option<Bytes> {
    let event = std::str::from_utf8(event).ok()?;
    let stripped = changed(data, &[Change::remove("usage")])?;
    event
        .contains(data)
        .then(|| event.replacen(data, &stripped, 1).into())
}

/// Number of tokens of the text that an event adds to an answer: the choices of a chunk, the delta of an event of a
/// response, or that of a message's block. `is_first` says that no text came before.
fn said_in(event: &Value, is_first: bool) -> u64 {
    let Some(kind) = event.get("type").and_then(Value::as_str) else {
        let whole = if is_first {
            of_choices(event, "message")
        } else {
            0
        };
        return of_choices(event, "delta") + whole;
    };
    match (kind, event.get("delta")) {
        ("content_block_start", _) => event.get("content_block").map_or(0, of_items),
        ("content_block_delta", Some(delta)) => of_items(delta),
        (kind, Some(Value::String(delta)))
            if kind.ends_with(".delta") && !kind.contains("audio.d") =>
        {
            tokens(delta)
        }
        // Other events repeat text that their deltas already had, unless there were none.
        ("response.completed" | "response.incomplete", _) if is_first => {
            event.pointer("/response/output").map_or(0, of_items)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
