//! Splits a stream into server-sent events and reads the data of an event.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use eventsource_stream::Eventsource;
use futures_util::{Stream, stream};

/// Maximum length of one event in bytes. Beyond it, the stream is no longer split into events, and bytes pass as they
/// arrive.
pub(super) const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Splits a stream after each blank line, which ends an event.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pending: BytesMut,
    /// Position in `pending` before which there is no end of an event.
    searched: usize,
    /// Whether an event was too long, so that the stream is no longer split.
    gave_up: bool,
}

impl Events {
    /// Takes bytes and returns the events that are complete now, each with its blank line.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        if self.gave_up {
            return vec![bytes.clone()];
        }
        self.pending.extend_from_slice(bytes);
        let mut whole = Vec::new();
        while let Some(end) = end_of_event(&self.pending, self.searched) {
            whole.push(self.pending.split_to(end).freeze());
            self.searched = 0;
        }
        // The last bytes may be the beginning of an event's end, so they are searched again.
        self.searched = self.pending.len().saturating_sub(3);
        if self.pending.len() > MAX_EVENT_BYTES {
            self.gave_up = true;
            whole.push(self.pending.split().freeze());
        }
        whole
    }

    /// Whether the stream is still split into events.
    pub(super) const fn are_told_apart(&self) -> bool {
        !self.gave_up
    }

    /// The bytes after the last complete event.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.searched = 0;
        self.pending.split().freeze()
    }
}

/// Position after the first empty line that ends at or after `from`, which ends an event.
fn end_of_event(bytes: &[u8], from: usize) -> Option<usize> {
    let breaks = bytes.iter().enumerate().skip(from);
    let mut breaks = breaks.filter(|(_, byte)| **byte == b'\n');
    breaks.find_map(|(at, _)| {
        let line = &bytes[..at];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (line.is_empty() || line.ends_with(b"\n")).then_some(at + 1)
    })
}

/// Where the last whole event of a stream ends.
pub(crate) fn end_of_events(stream: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = end_of_event(&stream[end..], 0) {
        end += length;
    }
    end
}

/// The data of one event; empty for a comment, `None` if the event is not UTF-8 text.
pub(super) fn data_of(event: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(event).ok()?;
    // A byte order mark is removed, because the parser panics on it.
    let text = text.trim_start_matches('\u{feff}').as_bytes();
    let once = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(text))]);
    let mut events = pin!(once.eventsource());
    match events
        .as_mut()
        .poll_next(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Some(Ok(event))) => Some(event.data),
        Poll::Ready(None) | Poll::Pending => Some(String::new()),
        Poll::Ready(Some(Err(_))) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> Vec<String> {
        let mut events = Events::default();
        let whole = pieces
            .iter()
            .flat_map(|piece| events.feed(&Bytes::copy_from_slice(piece.as_bytes())));
        whole
            .map(|event| String::from_utf8(event.to_vec()).expect("text"))
            .collect()
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        assert_eq!(split(&["data: 1\n", "\ndata: 2\n"]), ["data: 1\n\n"]);
        assert_eq!(split(&["data: 1\r\n\r", "\ndata"]), ["data: 1\r\n\r\n"]);
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
    fn what_never_ends_passes_as_it_comes() {
        let long = "x".repeat(MAX_EVENT_BYTES);
        let passed = split(&[&long, "y", "z"]);
        assert_eq!(passed.len(), 2);
        assert_eq!(passed[0].len(), MAX_EVENT_BYTES + 1);
        assert_eq!(passed[1], "z");
    }

    #[test]
    fn data_is_read_without_its_labels() {
        for (event, data) in [
            ("data: 1\n\n", Some("1")),
            ("event: x\ndata: 1\ndata: 2\nid: 7\n\n", Some("1\n2")),
            (": comment\n\n", Some("")),
            ("\n", Some("")),
            ("\u{feff}data: 1\n\n", Some("1")),
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
