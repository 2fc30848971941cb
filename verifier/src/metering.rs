//! Metering: counts an answer while it is passed on, by tokens for models and by bytes for plain routes, and computes
//! its cost.
//!
//! This module must know neither HTTP nor who pays.

mod cost;
mod events;
mod failure;
mod pace;
mod produced;
#[cfg(feature = "conformance")]
pub mod rehearsal;
mod report;
mod text;
mod tokens;

use bytes::Bytes;
use farthing_wire::pricing::StreamUsage;

pub(crate) use cost::{Cost, Tariff};
pub(crate) use events::end_of_events;
pub(crate) use pace::Paces;
pub(crate) use produced::Produced;
pub(crate) use tokens::prepare;

use events::Events;
use produced::BYTES_PER_TOKEN;
use tokens::Meter;

/// The upstream's answer for a model is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer is not a JSON object")]
pub(crate) struct NotAnAnswer;

/// Meters one answer.
#[derive(Debug)]
pub(crate) enum Metering {
    Tokens(TokenMetering),
    Bytes(ByteMetering),
}

#[derive(Debug)]
pub(crate) struct TokenMetering {
    meter: Meter,
    /// Whether the upstream's reports are about the whole answer.
    believes_reports: bool,
    /// Maximum number of output tokens that the request asked for.
    bound: u64,
}

#[derive(Debug)]
pub(crate) struct ByteMetering {
    events: Events,
    passed: u64,
    /// Maximum number of bytes that are paid for, if there is one.
    bound: Option<u64>,
}

impl Metering {
    /// Metering for a model request of at most `bound` output tokens, whose client asked for these reports of usage.
    /// `strips` says that the upstream was asked for a report with every chunk instead of the client, `believes_reports`
    /// that its reports are about the whole answer.
    pub(crate) fn of_model(
        bound: u64,
        usage: StreamUsage,
        strips: bool,
        believes_reports: bool,
    ) -> Self {
        Self::Tokens(TokenMetering {
            meter: Meter::new(usage, strips, believes_reports),
            believes_reports,
            bound,
        })
    }

    /// Metering for a plain route whose answers are paid for up to `bound` bytes.
    pub(crate) fn of_route(bound: Option<u64>) -> Self {
        Self::Bytes(ByteMetering {
            events: Events::default(),
            passed: 0,
            bound,
        })
    }

    /// What was produced at the moment at which the service began: nothing but the input was used.
    pub(crate) fn begun(&self) -> Produced {
        self.so_far(0)
    }

    /// A cheap estimate of what was produced when `length` bytes of an answer that is not a stream have arrived.
    pub(crate) fn so_far(&self, length: u64) -> Produced {
        match self {
            Self::Tokens(_) => Produced::estimated(length / BYTES_PER_TOKEN),
            Self::Bytes(_) => Produced::Bytes(length),
        }
    }

    /// What was produced by a complete answer that is not a stream.
    ///
    /// # Errors
    /// [`NotAnAnswer`] if it is a model's and not a JSON object.
    pub(crate) fn of_answer(&self, body: &[u8]) -> Result<Produced, NotAnAnswer> {
        match self {
            Self::Tokens(tokens) => {
                tokens::of_answer(body, tokens.believes_reports).ok_or(NotAnAnswer)
            }
            Self::Bytes(_) => Ok(Produced::Bytes(body.len() as u64)),
        }
    }

    /// Takes bytes of an event stream and returns those that may be passed on: complete events, unless one is very long,
    /// so that a stream does not end within one.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        match self {
            Self::Tokens(tokens) => tokens.meter.feed(bytes),
            Self::Bytes(metering) => {
                let parts = metering.events.feed(bytes).into_iter();
                let parts: Vec<Bytes> = parts.map(|part| part.bytes).collect();
                metering.passed += parts.iter().map(|part| part.len() as u64).sum::<u64>();
                parts
            }
        }
    }

    /// Whether something may be put between the events that have passed and those that follow.
    pub(crate) const fn is_between_events(&self) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.meter.is_between_events(),
            Self::Bytes(metering) => metering.events.is_between_events(),
        }
    }

    /// Ends the stream and returns the bytes after the last complete event.
    pub(crate) fn rest(&mut self) -> Bytes {
        match self {
            Self::Tokens(tokens) => tokens.meter.rest(),
            Self::Bytes(metering) => {
                let rest = metering.events.rest();
                let rest = rest.map(|part| part.bytes).unwrap_or_default();
                metering.passed += rest.len() as u64;
                rest
            }
        }
    }

    /// Whether the answer exceeds what was paid for.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.meter.exceeds(tokens.bound),
            Self::Bytes(metering) => metering.bound.is_some_and(|bound| metering.passed > bound),
        }
    }

    /// What was produced by a stream that ended by itself.
    pub(crate) fn complete(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.produced(),
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }

    /// What was produced by a stream that its source cut off.
    pub(crate) fn cut(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.cut(),
            Self::Bytes(metering) if metering.passed == 0 => Produced::Nothing,
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }

    /// What was produced by a stream whose client left, with an estimate of the output tokens that the upstream produced
    /// in the elapsed time: it counts where more was produced than could be seen.
    pub(crate) fn left(&self, estimate: Option<u64>) -> Produced {
        match self.stopped() {
            Produced::Tokens(count) if !self.has_current_report() => {
                let estimate = estimate.unwrap_or(0).min(self.bound());
                Produced::Tokens(count.at_least(estimate))
            }
            produced => produced,
        }
    }

    /// Whether the upstream has reported all of the output that was seen.
    fn has_current_report(&self) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.meter.has_current_report(),
            Self::Bytes(_) => true,
        }
    }

    /// Maximum number of output tokens.
    fn bound(&self) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens.bound,
            Self::Bytes(_) => 0,
        }
    }

    /// What was likely produced of an answer that is not a stream, whose client left.
    pub(crate) fn abandoned(&self, estimate: Option<u64>) -> Produced {
        match self {
            Self::Tokens(tokens) => Produced::estimated(estimate.unwrap_or(0).min(tokens.bound)),
            Self::Bytes(_) => self.begun(),
        }
    }

    /// Whether any output was seen in a stream.
    pub(crate) fn has_begun(&self) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.meter.said() > 0,
            Self::Bytes(metering) => metering.passed > 0,
        }
    }

    /// What was produced by a stream that was stopped, because its reserve was spent.
    pub(crate) fn stopped(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.stopped(),
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }
}
