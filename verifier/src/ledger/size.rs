//! How much the books hold, and since when: told without a look at every lane.

use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::Ledger;
use super::channel::ChannelLedger;
use crate::ports::Moment;

/// What the books hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Channels that were paid with.
    pub channels: usize,
    /// Lanes, each generation counted.
    pub lanes: usize,
    /// Voucher values that have bought something and are kept one by one.
    pub used_values: usize,
    /// Requests in flight.
    pub reservations: usize,
    /// The sum of their maxima.
    pub reserved: BaseUnits,
    /// How long the oldest of them has been in flight.
    pub oldest_reservation: Option<Duration>,
    /// Outcomes kept for whoever asks again.
    pub outcomes: usize,
    /// The bytes of their answers.
    pub answer_bytes: u64,
    /// How long the oldest of them is kept, by the time in which verifiers ran.
    pub oldest_outcome: Option<Duration>,
    /// Charged since the start, what a crash left without an outcome included.
    pub charged: BaseUnits,
}

/// What would take a look at every lane or reservation. It is shown and decides nothing, so it saturates.
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

    /// A channel as the store had it.
    fn add(&mut self, channel: &ChannelLedger) {
        let (channels, lanes, used) = count(channel);
        self.channels += channels;
        self.lanes += lanes;
        self.used_values += used;
    }

    /// A channel whose books go.
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

/// Whether a channel was paid with, its lanes, and their used values.
fn count(channel: &ChannelLedger) -> (usize, usize, usize) {
    let lanes = channel.lanes.iter();
    let (lanes, used) = lanes.fold((0, 0), |(lanes, used), (_, _, books)| {
        (lanes + 1, used + books.used.len())
    });
    (usize::from(lanes > 0), lanes, used)
}

impl Ledger {
    /// What the books hold.
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

    /// The counts, by a look at everything.
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

    /// Whether what is counted along the way is what a look at everything finds.
    #[cfg(test)]
    pub(super) fn counts_right(&self) -> bool {
        self.counts == self.recount()
    }
}
