//! The end of a server-sent event stream: why it ended, and the receipt in its last line.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use farthing_wire::x402::{STREAM_RECEIPT_PREFIX, SettleResponse, encode_header};

use crate::metrics::{Outcome, Served};

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    SourceCut,
    SourceTimeout,
    ClientGone,
    ShuttingDown,
    StoreFailed,
    /// The answer exceeded what the request asked for and what was reserved.
    ReserveSpent,
}

impl Ending {
    /// Whether the stream is incomplete, so that the client must not take it for the whole answer.
    pub(super) fn is_cut(self) -> bool {
        !matches!(self, Self::Complete | Self::ReserveSpent)
    }

    /// How the stream is counted. `served` is the outcome of a complete stream.
    pub(super) const fn outcome(self, served: Served) -> Outcome {
        match self {
            Self::Complete => Outcome::Served(served),
            Self::ClientGone => Outcome::Served(Served::ClientGone),
            Self::SourceCut => Outcome::Named("upstream_cut"),
            Self::SourceTimeout => Outcome::Named("upstream_timeout"),
            Self::ShuttingDown => Outcome::Named("shutting_down"),
            Self::StoreFailed => Outcome::Named("store_unavailable"),
            Self::ReserveSpent => Outcome::Named("reserve_spent"),
        }
    }
}

/// The receipt as an SSE comment. After a complete stream it ends with a blank line; after an incomplete one no blank
/// line may follow, because it would terminate an event of which only a part has arrived.
pub(super) fn receipt_line(receipt: &SettleResponse, line_is_open: bool, ending: Ending) -> Bytes {
    let start = if line_is_open { "\n" } else { "" };
    let end = if ending.is_cut() { "\n" } else { "\n\n" };
    let receipt = encode_header(receipt);
    Bytes::from(format!("{start}{STREAM_RECEIPT_PREFIX}{receipt}{end}"))
}

/// The receipt line of a complete stream, to be appended to `body`.
pub(crate) fn event_stream_receipt(receipt: &SettleResponse, body: &[u8]) -> Bytes {
    let line_is_open = !body.is_empty() && !body.ends_with(b"\n");
    receipt_line(receipt, line_is_open, Ending::Complete)
}

/// Whether an answer is a stream of server-sent events, by its headers.
pub(crate) fn is_event_stream_type(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("text/event-stream")
    })
}
