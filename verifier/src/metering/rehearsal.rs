//! What an answer would be charged, without a gateway: to try what an upstream sends, and to test it with anything.

use std::sync::Arc;

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{Quote, RequestBody};

use super::{Metering, Produced, Tariff};

/// What would become of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// The charge.
    pub charge: BaseUnits,
    /// What would be charged if the process died, or the client left, at the end; nothing precise.
    pub glance: BaseUnits,
    /// The bytes that the client would get.
    pub passed: Vec<u8>,
    /// Whether a stream would be ended because the reserve is spent.
    pub is_spent: bool,
}

/// Meters an answer that is not a stream; `None` if it is not a JSON object, and would be refused.
#[must_use]
pub fn whole(quote: &Quote, body: &RequestBody, answer: &[u8]) -> Option<Rehearsed> {
    let produced = metering(quote).of_answer(answer).ok()?;
    Some(rehearsed(quote, body, &produced, answer.to_vec(), false))
}

/// Meters a stream that arrives in these pieces.
#[must_use]
pub fn stream<'a>(
    quote: &Quote,
    body: &RequestBody,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Rehearsed {
    let mut metering = metering(quote);
    let mut passed = Vec::new();
    for piece in pieces {
        for part in metering.feed(&Bytes::copy_from_slice(piece)) {
            passed.extend_from_slice(&part);
        }
        if metering.is_spent() {
            return rehearsed(quote, body, &metering.stopped(), passed, true);
        }
    }
    passed.extend_from_slice(&metering.rest());
    rehearsed(quote, body, &metering.complete(), passed, false)
}

fn metering(quote: &Quote) -> Metering {
    Metering::of_model(quote.bounds.completion_tokens, quote.usage, false, true)
}

fn rehearsed(
    quote: &Quote,
    body: &RequestBody,
    produced: &Produced,
    passed: Vec<u8>,
    is_spent: bool,
) -> Rehearsed {
    let tariff = Tariff::of_model(quote, Arc::new(body.clone()));
    Rehearsed {
        charge: tariff.cost(produced).charge,
        glance: tariff.glance(produced),
        passed,
        is_spent,
    }
}
