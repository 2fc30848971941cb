//! Counts what an answer used, from a copy of its bytes.
//!
//! The upstream's own `usage` counts. Where it is missing, or a stream ends early, the text is
//! estimated by its length: [`Produced::Bytes`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use eventsource_stream::EventStream;
use farthing_client::pricing::Usage;
use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;

use super::bill::{BYTES_PER_TOKEN, Produced};

/// The most bytes of one event. Beyond, events are not told apart any more and bytes are counted.
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// Deepest nesting whose text is counted.
const MAX_DEPTH: usize = 16;

/// What a JSON answer used, `None` if it is not a JSON object.
pub(crate) fn of_answer(body: &[u8]) -> Option<Produced> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        usage: Option<Value>,
    }
    // A struct may be read from an array as well, which no answer is.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    if let Some(usage) = answer.usage.as_ref().and_then(read_usage) {
        return Some(Produced::Counted(usage));
    }
    let answer: Value = serde_json::from_slice(body).ok()?;
    Some(Produced::Bytes(choices_bytes(&answer, "message")))
}

fn read_usage(usage: &Value) -> Option<Usage> {
    Usage::deserialize(usage).ok()
}

/// Bytes of what the choices of an answer, or of a chunk of one, say.
fn choices_bytes(answer: &Value, part: &str) -> u64 {
    let choices = answer.get("choices").and_then(Value::as_array);
    let bytes = choices.into_iter().flatten().map(|choice| {
        let said = choice
            .get(part)
            .map_or(0, |said| text_bytes(said, MAX_DEPTH));
        let text = choice.get("text").map_or(0, |text| text_bytes(text, 1));
        said + text
    });
    bytes.sum()
}

/// Bytes of all text in a value but for its labels.
fn text_bytes(value: &Value, depth: usize) -> u64 {
    match value {
        _ if depth == 0 => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(|item| text_bytes(item, depth - 1)).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "role" | "id" | "type"))
            .map(|(_, item)| text_bytes(item, depth - 1))
            .sum(),
        _ => 0,
    }
}

/// The bytes that a [`Meter`] has been given and its parser has not taken yet.
#[derive(Debug, Clone, Default)]
struct Feed(Arc<Mutex<VecDeque<Bytes>>>);

impl Feed {
    fn push(&self, bytes: Bytes) {
        if let Ok(mut queue) = self.0.lock() {
            queue.push_back(bytes);
        }
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, Infallible>;

    /// Pending without a wake-up: the meter polls again when it has pushed something.
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.lock().ok().and_then(|mut queue| queue.pop_front()) {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None => Poll::Pending,
        }
    }
}

/// Counts a stream of server-sent events while it passes.
pub(crate) struct Meter {
    feed: Feed,
    /// `None` once the bytes are no events that can be told apart.
    events: Option<EventStream<Feed>>,
    has_begun: bool,
    since_last_event: usize,
    usage: Option<Usage>,
    /// Bytes of text, all of them and those that came after the last `usage`.
    content_bytes: u64,
    uncounted_bytes: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let feed = Feed::default();
        Self {
            events: Some(EventStream::new(feed.clone())),
            feed,
            has_begun: false,
            since_last_event: 0,
            usage: None,
            content_bytes: 0,
            uncounted_bytes: 0,
        }
    }

    fn add_content(&mut self, bytes: u64) {
        self.content_bytes += bytes;
        self.uncounted_bytes += bytes;
    }

    fn read_chunk(&mut self, data: &str) {
        if data == "[DONE]" {
            return;
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            self.add_content(data.len() as u64);
            return;
        };
        self.add_content(choices_bytes(&chunk, "delta"));
        if let Some(usage) = chunk.get("usage").and_then(read_usage) {
            self.usage = Some(usage);
            self.uncounted_bytes = 0;
        }
    }

    /// The bytes with a `?` for each that is not ASCII: the counts remain, and the parser, which waits
    /// for the end of an invalid character for ever and panics at a byte order mark, meets neither.
    fn readable(&mut self, bytes: &Bytes) -> Bytes {
        let text = bytes
            .iter()
            .skip_while(|byte| !self.has_begun && !byte.is_ascii());
        let ascii: Vec<u8> = text
            .map(|byte| if byte.is_ascii() { *byte } else { b'?' })
            .collect();
        self.has_begun |= !ascii.is_empty();
        ascii.into()
    }

    pub(crate) fn feed(&mut self, bytes: &Bytes) {
        let Some(mut events) = self.events.take() else {
            self.add_content(bytes.len() as u64);
            return;
        };
        let ascii = self.readable(bytes);
        self.feed.push(ascii);
        self.since_last_event += bytes.len();
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut events).poll_next(&mut context) {
                Poll::Ready(Some(Ok(event))) => {
                    self.since_last_event = 0;
                    self.read_chunk(&event.data);
                }
                Poll::Pending if self.since_last_event <= MAX_EVENT_BYTES => {
                    self.events = Some(events);
                    return;
                }
                // An event that never ends: from here on bytes are counted.
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        self.add_content(self.since_last_event as u64);
    }

    /// What a stream that ended by itself used.
    pub(crate) fn complete(&self) -> Produced {
        match self.usage {
            Some(usage) => Produced::Counted(usage),
            None => self.cut(),
        }
    }

    /// What a stream used that its upstream cut off.
    pub(crate) fn cut(&self) -> Produced {
        if self.content_bytes == 0 && self.usage.is_none() {
            return Produced::Nothing;
        }
        self.stopped()
    }

    /// What a stream used that was stopped because nobody reads it any more.
    pub(crate) fn stopped(&self) -> Produced {
        match self.usage {
            // The count may be older than the text.
            Some(usage) if self.uncounted_bytes > 0 => Produced::Counted(Usage {
                completion_tokens: usage
                    .completion_tokens
                    .max(self.content_bytes.div_ceil(BYTES_PER_TOKEN)),
                ..usage
            }),
            Some(usage) => Produced::Counted(usage),
            None => Produced::Bytes(self.content_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
