//! How much the ledger holds, and the age of its oldest entries, computed without iterating over all lanes.

use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::Ledger;
use super::channel::ChannelLedger;
use crate::ports::Moment;

/// How much the ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Channels with at least one lane in the ledger.
    pub channels: usize,
    /// Lanes, each generation counted separately.
    pub lanes: usize,
    /// Used voucher values that are stored one by one.
    pub used_values: usize,
    /// Requests in flight.
    pub reservations: usize,
    /// The sum of the maxima of the requests in flight.
    pub reserved: BaseUnits,
    /// How long the oldest request in flight has been running.
    pub oldest_reservation: Option<Duration>,
    /// Outcomes kept for idempotent retries.
    pub outcomes: usize,
    /// The bytes of all stored answers.
    pub answer_bytes: u64,
    /// The age of the oldest outcome, by the time in which verifiers ran.
    pub oldest_outcome: Option<Duration>,
    /// Charged since the start, including the charges for requests that a crash interrupted.
    pub charged: BaseUnits,
}

/// Counts kept up to date on every change, because computing them would iterate over every lane and reservation. They
/// are for display only and decide nothing, so they saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) channels: usize,
    pub(super) lanes: usize,
    used_values: usize,
    reserved: BaseUnits,
    charged: BaseUnits,
}

impl Counts {
    pub(super) fn used(&mut self, added: usize, forgotten: usize) {
        self.used_values = (self.used_values + added).saturating_sub(forgotten);
    }

    /// Adds a channel as it was read from the store.
    fn add(&mut self, channel: &ChannelLedger) {
        let (channels, lanes, used) = count(channel);
        self.channels += channels;
        self.lanes += lanes;
        self.used_values += used;
    }

    /// Subtracts a channel that is removed from the ledger.
    pub(super) fn forget(&mut self, channel: &ChannelLedger) {
        let (channels, lanes, used) = count(channel);
        self.channels = self.channels.saturating_sub(channels);
        self.lanes = self.lanes.saturating_sub(lanes);
        self.used_values = self.used_values.saturating_sub(used);
    }

    pub(super) fn reserve(&mut self, maximum: BaseUnits) {
        self.reserved = BaseUnits(self.reserved.0.saturating_add(maximum.0));
    }

    /// Ends a reservation of `maximum`.
    pub(super) fn complete(&mut self, maximum: BaseUnits, charged: BaseUnits) {
        self.reserved = self.reserved.saturating_sub(maximum);
        self.charged = BaseUnits(self.charged.0.saturating_add(charged.0));
    }
}

/// Counts a channel: 1 if it has any lane and 0 otherwise, its lanes, and their used values.
fn count(channel: &ChannelLedger) -> (usize, usize, usize) {
    let lanes = channel.lanes.iter();
    let (lanes, used) = lanes.fold((0, 0), |(lanes, used), (_, _, books)| {
        (lanes + 1, used + books.used.len())
    });
    (usize::from(lanes > 0), lanes, used)
}

impl Ledger {
    /// How much the ledger holds now.
    #[must_use]
    pub fn size(&self, now: Moment) -> Size {
        let oldest = self.reservations.first_key_value();
        Size {
            channels: self.counts.channels,
            lanes: self.counts.lanes,
            used_values: self.counts.used_values,
            reservations: self.reservations.len(),
            reserved: self.counts.reserved,
            oldest_reservation: oldest.map(|(_, oldest)| now.since(oldest.since)),
            outcomes: self.outcomes.len(),
            answer_bytes: self.outcomes.answer_bytes(),
            oldest_outcome: self.outcomes.oldest_ended_at().map(|ended_at| {
                Duration::from_secs(self.running_time(now).saturating_sub(ended_at))
            }),
            charged: self.counts.charged,
        }
    }

    /// Computes the counts by iterating over everything.
    pub(super) fn recount(&self) -> Counts {
        let mut counts = Counts {
            charged: self.counts.charged,
            ..Counts::default()
        };
        for channel in self.channels.values() {
            counts.add(channel);
        }
        for reservation in self.reservations.values() {
            counts.reserve(reservation.maximum);
        }
        counts
    }

    /// Whether the counts kept up to date on every change equal the recomputed ones.
    #[cfg(test)]
    pub(super) fn counts_right(&self) -> bool {
        self.counts == self.recount()
    }
}
