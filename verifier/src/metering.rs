//! Metering: counts an answer while it is passed on, by tokens for models and by bytes for plain routes, and computes
//! its cost.
//!
//! This module must know neither HTTP nor who pays.

mod cost;
mod events;
mod produced;
mod tokens;

use bytes::Bytes;

pub(crate) use cost::{Cost, Tariff};
pub(crate) use events::end_of_events;
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
    /// Whether to drop the chunk with the usage, because the client did not ask for it.
    hides_usage: bool,
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
    /// Metering for a model request of at most `bound` output tokens.
    pub(crate) fn of_model(bound: u64, hides_usage: bool) -> Self {
        Self::Tokens(TokenMetering {
            meter: Meter::default(),
            hides_usage,
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
    pub(crate) const fn begun(&self) -> Produced {
        self.so_far(0)
    }

    /// A cheap estimate of what was produced when `length` bytes of an answer that is not a stream have arrived.
    pub(crate) const fn so_far(&self, length: u64) -> Produced {
        match self {
            Self::Tokens(_) => Produced::Estimated(length / BYTES_PER_TOKEN),
            Self::Bytes(_) => Produced::Bytes(length),
        }
    }

    /// What was produced by a complete answer that is not a stream.
    ///
    /// # Errors
    /// [`NotAnAnswer`] if it is a model's and not a JSON object.
    pub(crate) fn of_answer(&self, body: &[u8]) -> Result<Produced, NotAnAnswer> {
        match self {
            Self::Tokens(_) => tokens::of_answer(body).ok_or(NotAnAnswer),
            Self::Bytes(_) => Ok(Produced::Bytes(body.len() as u64)),
        }
    }

    /// Takes bytes of an event stream and returns those that may be passed on: only complete events, so that a stream
    /// never ends within one.
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        match self {
            Self::Tokens(tokens) => {
                let parts = tokens.meter.feed(bytes).into_iter();
                let hides_usage = tokens.hides_usage;
                parts
                    .filter(|part| !(part.is_usage_chunk && hides_usage))
                    .map(|part| part.bytes)
                    .collect()
            }
            Self::Bytes(metering) => {
                let parts = metering.events.feed(bytes);
                metering.passed += parts.iter().map(|part| part.len() as u64).sum::<u64>();
                parts
            }
        }
    }

    /// Ends the stream and returns the bytes after the last complete event.
    pub(crate) fn rest(&mut self) -> Bytes {
        match self {
            Self::Tokens(tokens) => tokens.meter.rest(),
            Self::Bytes(metering) => {
                let rest = metering.events.rest();
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
            Self::Tokens(tokens) => tokens.meter.complete(),
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

    /// What was produced by a stream that was stopped, because its client disconnected or its reserve was spent.
    pub(crate) fn stopped(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.stopped(),
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }
}
