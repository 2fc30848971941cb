//! Passes streams on, and waits for the receipt of one whose client has disconnected at its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use farthing_client::paying_client::{PaidAnswer, PayError};
use futures_util::{Stream, stream};
use tokio::time::timeout;

use super::Shared;
use super::error::ProxyError;
use super::log::Asked;

/// How long a stream's receipt may take after the client disconnected.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream, chunk by chunk as it arrives.
pub(super) fn events(
    shared: Arc<Shared>,
    asked: Asked,
    answer: PaidAnswer,
) -> impl Stream<Item = io::Result<Bytes>> {
    let passing = Passing {
        shared,
        asked,
        answer: Some(answer),
        line_has_ended: true,
        last_event: LastEvent::default(),
        has_ended: false,
    };
    stream::unfold(passing, |mut passing| async move {
        // The answer stays in its place while it is waited for, since a client that disconnects drops all of this.
        let next = passing.answer.as_mut()?.next_chunk().await;
        if let Ok(Some(chunk)) = next {
            passing.line_has_ended = chunk.ends_with(b"\n");
            passing.has_ended |= passing.last_event.is_in(&chunk);
            return Some((Ok(chunk), passing));
        }
        if let Some(answer) = passing.answer.take() {
            let (status, receipt) = (answer.status(), answer.receipt());
            passing.shared.count(&passing.asked, status, receipt);
        }
        let error = next.err()?;
        Some((broken(&error, passing.line_has_ended), passing))
    })
}

/// A stream that is passed on. Clients close the connection at the last event, before the receipt that follows it: then
/// the receipt is still waited for, so that the charge is known and not the maximum.
struct Passing {
    shared: Arc<Shared>,
    asked: Asked,
    /// `None` once it was read to its end.
    answer: Option<PaidAnswer>,
    line_has_ended: bool,
    last_event: LastEvent,
    /// Whether the last event of the API has passed.
    has_ended: bool,
}

impl Drop for Passing {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else {
            return;
        };
        if !self.has_ended {
            self.shared.tell(&self.asked, answer.status(), None);
            return;
        }
        let (shared, asked) = (Arc::clone(&self.shared), self.asked.clone());
        self.shared.tasks.spawn(async move {
            let rest = async { while let Ok(Some(_)) = answer.next_chunk().await {} };
            if timeout(RECEIPT_TIMEOUT, rest).await.is_err() {
                tracing::debug!("a stream's receipt did not arrive after its client disconnected");
            }
            shared.count(&asked, answer.status(), answer.receipt());
        });
    }
}

/// Looks for the event after which an API of OpenAI or Anthropic sends nothing more, in whatever chunks it comes.
#[derive(Default)]
struct LastEvent {
    /// The beginning of the present line, as long as the event's could be.
    line: Vec<u8>,
}

impl LastEvent {
    /// Each is a whole line.
    const MARKS: [&[u8]; 5] = [
        b"data: [DONE]",
        b"event: response.completed",
        b"event: response.incomplete",
        b"event: response.failed",
        b"event: message_stop",
    ];
    /// Longer than any of them.
    const LONGEST: usize = 32;

    /// Whether it has come with this chunk.
    fn is_in(&mut self, chunk: &[u8]) -> bool {
        let mut found = false;
        for byte in chunk {
            if matches!(byte, b'\n' | b'\r') {
                self.line.clear();
            } else if self.line.len() < Self::LONGEST {
                self.line.push(*byte);
                found |= Self::MARKS.contains(&self.line.as_slice());
            }
        }
        found
    }
}

/// Reports to the client that a stream broke off: by an error event or, if it broke off within an event, by an aborted
/// connection.
fn broken(error: &PayError, line_has_ended: bool) -> io::Result<Bytes> {
    tracing::warn!(%error, "a stream from the provider broke off");
    if line_has_ended {
        Ok(ProxyError::from(error).event())
    } else {
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            error.to_string(),
        ))
    }
}
