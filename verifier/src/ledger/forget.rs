//! Removing channels that are gone from the ledger, once nothing can be lost by it.
//!
//! The chain source may report a channel as gone by mistake, so that it comes back later. Nothing is lost then:
//! what was charged was debited, and a lane that the chain debited and the ledger does not know is refused
//! ([`Refusal::StoreBehindChain`](super::Refusal::StoreBehindChain)). Only lanes that were never debited start
//! anew, and their vouchers were never published.

use farthing_protocol::{BaseUnits, Domain};

use super::channel::ChannelLedger;
use super::{ChannelFacts, Ledger, forgotten};
use crate::record::{LaneKey, Record};

/// Why a channel is kept in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    /// A request is in flight.
    #[error("a request is in flight")]
    InFlight,
    /// The channel's charges exceed what is known to have been debited.
    #[error("{0} base units that were charged are unsettled")]
    Owed(BaseUnits),
}

impl Ledger {
    /// Removes a channel that is gone. `seen` is its last known state on the chain, if it was read since the start.
    /// Lanes with less than `min_claim` unsettled are ignored, because they would never have been claimed.
    ///
    /// Returns one batch of records per lane and one for the channel; the batches may be written separately, in order.
    ///
    /// # Errors
    /// [`Kept`] says why nothing was changed.
    pub fn forget(
        &mut self,
        domain: Domain,
        seen: Option<&ChannelFacts>,
        min_claim: BaseUnits,
    ) -> Result<Vec<Vec<Record>>, Kept> {
        let Some(channel) = self.channels.get(&domain) else {
            return Ok(Vec::new());
        };
        let mut in_flight = self.reservations.values();
        if in_flight.any(|reservation| reservation.key.domain == domain) {
            return Err(Kept::InFlight);
        }
        let owed = channel.owed(seen).filter(|owed| *owed >= min_claim);
        let owed = owed.fold(0_u64, |sum, owed| sum.saturating_add(owed.0));
        if owed > 0 {
            return Err(Kept::Owed(BaseUnits(owed)));
        }
        let channel = self.channels.remove(&domain);
        if let Some(channel) = &channel {
            self.counts.forget(channel);
        }
        let lanes = channel.iter().flat_map(|channel| channel.lanes.iter());
        let lanes = lanes.map(|(lane, generation, books)| {
            let key = LaneKey {
                domain,
                lane,
                generation,
            };
            let used = forgotten(key, books.used.list().values);
            used.chain([Record::LaneForgotten(key)]).collect()
        });
        let channel = vec![Record::ChannelForgotten(domain)];
        Ok(lanes.chain([channel]).collect())
    }
}

impl ChannelLedger {
    /// The unsettled amount of each lane: charged and not known to be debited. Only a lane's last generation counts,
    /// because earlier ones can no longer be claimed.
    fn owed(&self, seen: Option<&ChannelFacts>) -> impl Iterator<Item = BaseUnits> {
        let last = self.lanes.iter().filter(|(lane, generation, _)| {
            let mut generations = self.lanes.generations(*lane).iter();
            generations.all(|(other, _)| other <= generation)
        });
        last.filter_map(move |(lane, generation, books)| {
            let on_chain = seen.and_then(|facts| facts.lanes.get(usize::from(lane.0)));
            if on_chain.is_some_and(|on_chain| on_chain.generation > generation) {
                return None;
            }
            let debited = on_chain.map_or(BaseUnits::ZERO, |on_chain| on_chain.debited);
            Some(books.charged.saturating_sub(debited.max(books.settled)))
        })
    }
}
