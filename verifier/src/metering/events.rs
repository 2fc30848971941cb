//! Splits a stream into server-sent events and reads the data of an event.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use eventsource_stream::Eventsource;
use futures_util::{Stream, stream};
use serde::de::IgnoredAny;

/// The data of the event that ends a stream of OpenAI's API.
pub(super) const DONE: &str = "[DONE]";

/// Maximum number of bytes of an event that are held until it is complete. A longer one passes as it arrives.
const HELD_BYTES: usize = 256 * 1024;
/// Maximum length of an event that is read. Beyond it, the stream is no longer split into events.
pub(super) const MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// What begins a line of an event.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];

/// What begins an event that follows another one without a blank line.
const BEGINNINGS: [&[u8]; 2] = [b"data:", b"event:"];

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The bytes to pass on.
    pub(crate) bytes: Bytes,
    /// What the part ends.
    pub(crate) read: Read,
}

/// What a part of a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// It ends this event, of which earlier parts may have passed before.
    Event(Bytes),
    /// It is a part of a long event that has not ended yet.
    Unfinished,
    /// It is no event.
    Bytes,
}

/// Splits a stream into events. An event ends with a blank line, or with a line of data that is complete, where the next
/// one begins without a blank line. Comments pass at once.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The event that has not ended yet.
    pending: BytesMut,
    /// How much of it has passed already.
    passed: usize,
    /// How far `pending` was searched for the end of an event.
    search: Search,
    /// Whether the stream is not one of events, so that it is no longer split.
    gave_up: bool,
}

impl Events {
    /// Takes bytes and returns what may be passed on.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Part> {
        if self.gave_up {
            return vec![Part {
                bytes: bytes.clone(),
                read: Read::Bytes,
            }];
        }
        self.pending.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while let Some(end) = end_of_event(&self.pending, &mut self.search) {
            parts.push(self.event(end));
        }
        if self.is_comment() {
            parts.push(self.event(self.pending.len()));
        } else if self.pending.len() - self.passed > HELD_BYTES {
            parts.push(self.unfinished());
        }
        parts
    }

    /// Whether something may be put between the parts that have passed and those that follow.
    pub(crate) const fn is_between_events(&self) -> bool {
        self.passed == 0 && !self.gave_up
    }

    /// What is left at the end of the stream.
    pub(crate) fn rest(&mut self) -> Option<Part> {
        let length = self.pending.len();
        (length > 0).then(|| self.event(length))
    }

    fn event(&mut self, end: usize) -> Part {
        let event = self.pending.split_to(end).freeze();
        let bytes = event.slice(self.passed.min(end)..);
        // What follows the event may have passed with it.
        self.passed = self.passed.saturating_sub(end);
        self.search = Search::default();
        Part {
            bytes,
            read: Read::Event(event),
        }
    }

    /// The part of a long event that has not passed yet.
    fn unfinished(&mut self) -> Part {
        let begins_event = |field: &&[u8]| self.pending.starts_with(field);
        if self.pending.len() > MAX_EVENT_BYTES || !FIELDS.iter().any(begins_event) {
            self.gave_up = true;
            let bytes = self.pending.split().freeze().slice(self.passed..);
            let read = Read::Bytes;
            return Part { bytes, read };
        }
        let bytes = Bytes::copy_from_slice(&self.pending[self.passed..]);
        self.passed = self.pending.len();
        Part {
            bytes,
            read: Read::Unfinished,
        }
    }

    /// Whether all that is pending is comments.
    fn is_comment(&self) -> bool {
        let lines = self.pending.strip_suffix(b"\n");
        lines.is_some_and(|lines| {
            lines
                .split(|byte| *byte == b'\n')
                .all(|line| line.starts_with(b":"))
        })
    }
}

/// How far bytes were searched for the end of an event.
#[derive(Debug, Default)]
struct Search {
    /// Beginning of the present line.
    line_start: usize,
    /// Position before which no line ends.
    at: usize,
}

/// Position after the first event. Searching goes on where it ended before.
fn end_of_event(bytes: &[u8], search: &mut Search) -> Option<usize> {
    let Search {
        mut line_start,
        mut at,
    } = *search;
    while let Some(found) = bytes[at..]
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))
    {
        let line_end = at + found;
        let next = match (bytes[line_end], bytes.get(line_end + 1)) {
            (b'\r', Some(b'\n')) => line_end + 2,
            // What follows may belong to this line's end.
            (b'\r', None) if line_end > line_start => break,
            _ => line_end + 1,
        };
        if line_end == line_start || is_whole_before(bytes, line_start, next) {
            return Some(next);
        }
        if BEGINNINGS
            .iter()
            .any(|beginning| beginning.starts_with(&bytes[next..]))
        {
            // What follows may begin another event, which is not told yet.
            break;
        }
        (line_start, at) = (next, next);
    }
    // The end of a line that is not told yet is looked at again.
    let unseen = bytes[at..]
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'));
    let at = unseen.map_or(bytes.len(), |found| at + found);
    *search = Search { line_start, at };
    None
}

/// Whether an event ends at `next` without a blank line: it is one line of complete data, and another event begins.
fn is_whole_before(bytes: &[u8], line_start: usize, next: usize) -> bool {
    let begins = |beginning: &&[u8]| bytes[next..].starts_with(beginning);
    if !BEGINNINGS.iter().any(begins) {
        return false;
    }
    let line = bytes[line_start..next].trim_ascii();
    let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
        return false;
    };
    data == DONE.as_bytes() || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// Where the last whole event of a stream ends.
pub(crate) fn end_of_events(stream: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = end_of_event(&stream[end..], &mut Search::default()) {
        end += length;
    }
    end
}

/// The data of one event; empty for a comment, `None` if the event is not UTF-8 text. The event may lack its blank line.
pub(super) fn data_of(event: &Bytes) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(event).ok()?;
    // A byte order mark is removed, because the parser panics on it.
    let text = text.trim_start_matches('\u{feff}');
    if let Some(data) = only_line_of_data(text) {
        return Some(Cow::Borrowed(data));
    }
    let ended = Bytes::from(format!("{text}\n\n"));
    let once = stream::iter([Ok::<_, Infallible>(ended)]);
    let mut events = pin!(once.eventsource());
    match events
        .as_mut()
        .poll_next(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Some(Ok(event))) => Some(Cow::Owned(event.data)),
        Poll::Ready(None) | Poll::Pending => Some(Cow::Borrowed("")),
        Poll::Ready(Some(Err(_))) => None,
    }
}

/// The data of an event that is nothing but one line of it, as most are.
fn only_line_of_data(event: &str) -> Option<&str> {
    let data = event.strip_prefix("data:")?.trim_end_matches(['\n', '\r']);
    let data = data.strip_prefix(' ').unwrap_or(data);
    (!data.contains(['\n', '\r'])).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> Vec<String> {
        let mut events = Events::default();
        let parts = pieces
            .iter()
            .flat_map(|piece| events.feed(&Bytes::copy_from_slice(piece.as_bytes())));
        parts
            .map(|part| String::from_utf8(part.bytes.to_vec()).expect("text"))
            .collect()
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        assert_eq!(split(&["data: 1\n", "\ndata: 2\n"]), ["data: 1\n\n"]);
        assert_eq!(split(&["data: 1\r\n\r", "\ndata"]), ["data: 1\r\n\r", "\n"]);
        assert_eq!(split(&["data: 1\r", "\n\r\n"]), ["data: 1\r\n\r\n"]);
        assert_eq!(
            split(&["data: 1\r\rdata: 2\r\r"]),
            ["data: 1\r\r", "data: 2\r\r"]
        );
        assert_eq!(
            split(&["\n", "\r\n", "a\nb\n\n"]),
            ["\n", "\r\n", "a\nb\n\n"]
        );
        assert_eq!(
            split(&["data: 1\n\ndata: 2\n\n"]),
            ["data: 1\n\n", "data: 2\n\n"]
        );
    }

    #[test]
    fn what_passed_with_a_long_event_passes_once() {
        let long = format!("data: {{\"a\":\"{}\"}}\nda", "x".repeat(HELD_BYTES));
        let pieces = [long.as_str(), "ta: {\"y\":1}\n", "\n"];
        assert_eq!(split(&pieces).concat(), pieces.concat());
    }

    #[test]
    fn a_line_of_complete_data_ends_where_the_next_begins() {
        assert_eq!(
            split(&["data: {\"a\":1}\n", "data: [DONE]\nda", "ta: 2\n"]),
            ["data: {\"a\":1}\n", "data: [DONE]\n"]
        );
        let pretty = "data: {\ndata:  \"a\": 1\ndata: }\n\n";
        assert_eq!(split(&[pretty]), [pretty]);
        let with_id = "data: {}\nid: 7\n\n";
        assert_eq!(split(&[with_id]), [with_id]);
    }

    #[test]
    fn comments_pass_at_once() {
        assert_eq!(
            split(&[": ping\n", "data: 1\n\n"]),
            [": ping\n", "data: 1\n\n"]
        );
        assert_eq!(split(&["data: 1\n: ping\n"]), [""; 0]);
    }

    #[test]
    fn a_long_event_passes_as_it_comes_and_is_read_at_its_end() {
        let mut events = Events::default();
        let long = format!("data: {}", "x".repeat(2 * HELD_BYTES));
        let first = events.feed(&Bytes::from(long.clone()));
        assert_eq!(first[0].read, Read::Unfinished);
        assert!(!events.is_between_events());
        let last = events.feed(&Bytes::from_static(b"y\n\ndata: 2\n\n"));
        assert_eq!(last[0].bytes, "y\n\n");
        assert_eq!(last[0].read, Read::Event(format!("{long}y\n\n").into()));
        assert_eq!(last[1].bytes, "data: 2\n\n");
        assert!(events.is_between_events());
    }

    #[test]
    fn what_is_no_event_passes_as_it_comes() {
        let long = "x".repeat(HELD_BYTES);
        let passed = split(&[&long, "y", "z"]);
        assert_eq!(passed.len(), 2);
        assert_eq!(passed[0].len(), HELD_BYTES + 1);
        assert_eq!(passed[1], "z");
    }

    #[test]
    fn the_rest_is_an_event_as_well() {
        for rest in ["data: 1", "data: 1\n", "event: x\ndata: 1"] {
            let mut events = Events::default();
            assert_eq!(events.feed(&Bytes::copy_from_slice(rest.as_bytes())), []);
            let part = events.rest().expect("it is left");
            let Read::Event(event) = part.read else {
                panic!("{part:?}");
            };
            assert_eq!(data_of(&event).as_deref(), Some("1"), "{rest:?}");
        }
    }

    #[test]
    fn data_is_read_without_its_labels() {
        for (event, data) in [
            ("data: 1\n\n", Some("1")),
            ("event: x\ndata: 1\ndata: 2\nid: 7\n\n", Some("1\n2")),
            (": comment\n\n", Some("")),
            ("\n", Some("")),
            ("\u{feff}data: 1\n\n", Some("1")),
            ("data:1", Some("1")),
            ("data: 1\r\r", Some("1")),
            ("event: x\rdata: 1\r\r", Some("1")),
        ] {
            let bytes = Bytes::copy_from_slice(event.as_bytes());
            assert_eq!(data_of(&bytes).as_deref(), data, "{event:?}");
        }
        assert_eq!(data_of(&Bytes::from_static(b"data: \xff\n\n")), None);
    }

    #[test]
    fn a_part_of_an_event_is_no_event() {
        for (body, end) in [
            ("", 0),
            ("data: 1", 0),
            ("data: 1\n", 0),
            ("data: 1\n\n", 9),
            ("data: 1\n\ndata: 2\n", 9),
            ("data: 1\r\n\r\ndata", 11),
            ("data: 1\n\n: comment\n\ndata: 2", 20),
        ] {
            assert_eq!(end_of_events(body.as_bytes()), end, "{body:?}");
        }
    }
}
