//! A request while the upstream works on it: how long it has worked, and what it has produced if the client leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ServiceKind;
use super::bill::Bill;
use super::checkout::Checkout;
use crate::metering::{Metering, Paces, Produced};

/// A request that the upstream works on.
#[derive(Debug)]
pub(super) struct Asking {
    since: Instant,
    kind: ServiceKind,
    paces: Arc<Paces>,
    /// Whether a client that leaves pays for an estimate of what it could not see.
    estimates: bool,
}

impl Asking {
    pub(super) fn new(checkout: &Checkout, kind: ServiceKind) -> Self {
        Self {
            since: Instant::now(),
            kind,
            paces: Arc::clone(&checkout.paces),
            estimates: checkout.payments.offer().prices.estimate_abandoned,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether a stream of events was asked for.
    pub(super) const fn streams(&self) -> bool {
        self.kind.streams
    }

    /// Whether the service is finished although its client has disconnected.
    pub(super) const fn finishes_alone(&self) -> bool {
        self.kind.finishes_alone
    }

    /// The output tokens that the upstream has likely produced until now.
    pub(super) fn estimate(&self) -> Option<u64> {
        let model = self.kind.model.as_ref().filter(|_| self.estimates)?;
        let estimated = self.paces.estimate(model, self.elapsed())?;
        Some(estimated.min(self.kind.most_estimated))
    }

    /// Remembers how long a complete answer took.
    pub(super) fn answered(&self, produced: &Produced) {
        if let Some(model) = &self.kind.model {
            self.paces
                .answered(model, produced.output_tokens(), self.elapsed());
        }
    }

    /// Remembers how long a complete stream took, whose first token came after `first`.
    pub(super) fn streamed(&self, first: Option<Duration>, produced: &Produced) {
        if let (Some(model), Some(first)) = (&self.kind.model, first) {
            let tokens = produced.output_tokens();
            self.paces.streamed(model, first, tokens, self.elapsed());
        }
    }

    /// Watches over a wait: if it is abandoned, the bill is charged with what was likely produced until then.
    pub(super) fn watch<'a>(&'a self, bill: &'a mut Bill, metering: &'a Metering) -> Watch<'a> {
        Watch {
            asking: self,
            bill,
            metering,
            read: 0,
        }
    }
}

/// A wait for an answer that is not a stream.
pub(super) struct Watch<'a> {
    asking: &'a Asking,
    bill: &'a mut Bill,
    metering: &'a Metering,
    /// Length of what has arrived of the answer, in bytes.
    read: u64,
}

impl Watch<'_> {
    pub(super) const fn has_read(&mut self, length: u64) {
        self.read = length;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let seen = self.metering.so_far(self.read);
        let estimated = self.metering.abandoned(self.asking.estimate());
        let produced = if estimated.output_tokens() > seen.output_tokens() {
            estimated
        } else {
            seen
        };
        self.bill.if_dropped(&produced);
    }
}
