//! What the settler has done since the start, and what it saw when it looked last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use farthing_protocol::BaseUnits;

use super::planner::Owing;
use crate::ports::Moment;

/// What is counted. The settler writes, everybody reads.
#[derive(Debug, Default)]
pub struct Figures {
    /// Transactions that were recorded and sent.
    pub(crate) sent: AtomicU64,
    /// Those that are final.
    pub(crate) finalized: AtomicU64,
    /// Those that can no longer land.
    pub(crate) expired: AtomicU64,
    /// Those that landed and failed.
    pub(crate) failed: AtomicU64,
    /// What the final ones moved, in base units.
    pub(crate) settled: AtomicU64,
    /// Those whose end is not known yet.
    pub(crate) pending: AtomicUsize,
    seen: Mutex<Seen>,
}

/// What a channel owes that the chain no longer has, so that nobody can claim it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) amount: BaseUnits,
    /// When that was found out.
    pub(super) since: Moment,
}

/// What was charged and not debited yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owed {
    /// Channels that owe.
    pub channels: usize,
    /// What they owe.
    pub amount: BaseUnits,
    /// Since when the oldest of it is owed.
    pub since: Option<Moment>,
}

impl Owed {
    fn add(&mut self, owing: &Owing) {
        self.channels += 1;
        for lane in &owing.lanes {
            self.add_amount(lane.owed, lane.since);
        }
    }

    fn add_amount(&mut self, amount: BaseUnits, since: Moment) {
        self.amount = BaseUnits(self.amount.0.saturating_add(amount.0));
        self.since = Some(self.since.map_or(since, |earlier| earlier.min(since)));
    }
}

/// What all channels owed when the settler looked last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Those that are open.
    pub open: Owed,
    /// Those whose close was requested or has happened. What they owe when their grace is over is lost.
    pub closing: Owed,
    /// Those that the chain no longer has, once their books should have been forgotten.
    pub gone: Owed,
}

impl Figures {
    /// Takes note of what is owed.
    pub(super) fn see<'a>(
        &self,
        owing: impl IntoIterator<Item = &'a Owing>,
        lost: impl IntoIterator<Item = &'a Lost>,
    ) {
        let mut seen = Seen::default();
        for lost in lost {
            seen.gone.channels += 1;
            seen.gone.add_amount(lost.amount, lost.since);
        }
        for owing in owing {
            let is_closing = owing.facts.closing || owing.facts.gone;
            let owed = if is_closing {
                &mut seen.closing
            } else {
                &mut seen.open
            };
            owed.add(owing);
        }
        if let Ok(mut last) = self.seen.lock() {
            *last = seen;
        }
    }

    /// What was owed when the settler looked last.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().map(|seen| *seen).unwrap_or_default()
    }

    pub(super) fn finalized(&self, amount: u64) {
        self.finalized.fetch_add(1, Ordering::Relaxed);
        self.settled.fetch_add(amount, Ordering::Relaxed);
    }
}
