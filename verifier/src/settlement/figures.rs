//! The settler's figures: what it has done since the start, and the unsettled amounts at its last poll.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use farthing_protocol::BaseUnits;

use super::planner::Owing;
use crate::ports::Moment;

/// Counters of the settler, shared with metrics and reports.
#[derive(Debug, Default)]
pub struct SettlementFigures {
    /// Transactions that were recorded and sent.
    pub(crate) sent: AtomicU64,
    /// Transactions that are final.
    pub(crate) finalized: AtomicU64,
    /// Transactions that did not land before they expired.
    pub(crate) expired: AtomicU64,
    /// Transactions that landed and failed.
    pub(crate) failed: AtomicU64,
    /// The amount that final transactions moved, in base units.
    pub(crate) settled: AtomicU64,
    /// Transactions whose outcome is not known yet.
    pub(crate) pending: AtomicUsize,
    seen: Mutex<Seen>,
}

/// The unsettled amount of a channel that is gone, so that it can no longer be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) amount: BaseUnits,
    /// When the loss was detected.
    pub(super) since: Moment,
}

/// Unsettled charges of a group of channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owed {
    /// Channels with unsettled charges.
    pub channels: usize,
    /// The unsettled amount.
    pub amount: BaseUnits,
    /// Since when the oldest of it is unsettled.
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

/// The unsettled charges of all channels at the settler's last poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Open channels.
    pub open: Owed,
    /// Channels whose close was requested or has happened. What is unsettled at the end of their grace is lost.
    pub closing: Owed,
    /// Channels that are gone, and were kept in the ledger only because of unsettled charges.
    pub gone: Owed,
}

impl SettlementFigures {
    /// Stores the unsettled charges of this poll.
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

    /// The unsettled charges at the settler's last poll.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().map(|seen| *seen).unwrap_or_default()
    }

    pub(super) fn finalized(&self, amount: u64) {
        self.finalized.fetch_add(1, Ordering::Relaxed);
        self.settled.fetch_add(amount, Ordering::Relaxed);
    }
}
