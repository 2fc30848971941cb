//! How an answer is counted while it passes: by its tokens if a model gives it, else by its bytes; and what that costs.
//!
//! What must not live here: HTTP, and whoever pays.

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

/// A model's server answered with something else than what a model answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's server did not answer with JSON")]
pub(crate) struct NotAnAnswer;

/// Counts one answer.
#[derive(Debug)]
pub(crate) enum Metering {
    Tokens(TokenMetering),
    Bytes(ByteMetering),
}

#[derive(Debug)]
pub(crate) struct TokenMetering {
    meter: Meter,
    /// Whether the client did not ask for the chunk that says what was used.
    hides_usage: bool,
    /// The output tokens that were asked for.
    bound: u64,
}

#[derive(Debug)]
pub(crate) struct ByteMetering {
    events: Events,
    passed: u64,
    /// The most that is paid for.
    bound: Option<u64>,
}

impl Metering {
    /// For a model that was asked for at most `bound` output tokens.
    pub(crate) fn of_model(bound: u64, hides_usage: bool) -> Self {
        Self::Tokens(TokenMetering {
            meter: Meter::default(),
            hides_usage,
            bound,
        })
    }

    /// For a plain route whose answers are paid for up to `bound` bytes.
    pub(crate) fn of_route(bound: Option<u64>) -> Self {
        Self::Bytes(ByteMetering {
            events: Events::default(),
            passed: 0,
            bound,
        })
    }

    /// What there is once the service has begun.
    pub(crate) const fn begun(&self) -> Produced {
        self.so_far(0)
    }

    /// What there is of an answer that is not a stream, at a glance, when so many bytes of it have come.
    pub(crate) const fn so_far(&self, length: u64) -> Produced {
        match self {
            Self::Tokens(_) => Produced::Estimated(length / BYTES_PER_TOKEN),
            Self::Bytes(_) => Produced::Bytes(length),
        }
    }

    /// What a whole answer that is not a stream came to.
    ///
    /// # Errors
    /// [`NotAnAnswer`] of a model.
    pub(crate) fn of_answer(&self, body: &[u8]) -> Result<Produced, NotAnAnswer> {
        match self {
            Self::Tokens(_) => tokens::of_answer(body).ok_or(NotAnAnswer),
            Self::Bytes(_) => Ok(Produced::Bytes(body.len() as u64)),
        }
    }

    /// Takes bytes of an event stream and returns what of them passes on: whole events, so that whatever ends a stream
    /// does not end it within one.
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

    /// What came after the last event, when nothing comes any more.
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

    /// Whether more came than was paid for.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.meter.exceeds(tokens.bound),
            Self::Bytes(metering) => metering.bound.is_some_and(|bound| metering.passed > bound),
        }
    }

    /// What a stream came to that ended by itself.
    pub(crate) fn complete(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.complete(),
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }

    /// What a stream came to that its source cut off.
    pub(crate) fn cut(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.cut(),
            Self::Bytes(metering) if metering.passed == 0 => Produced::Nothing,
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }

    /// What a stream came to that was stopped, because nobody reads it or because it was spent.
    pub(crate) fn stopped(&self) -> Produced {
        match self {
            Self::Tokens(tokens) => tokens.meter.stopped(),
            Self::Bytes(metering) => Produced::Bytes(metering.passed),
        }
    }
}
