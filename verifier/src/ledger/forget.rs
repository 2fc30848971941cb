//! Channels that are gone: their books go once nobody can lose anything by it.
//!
//! Whoever says that a channel is gone may err, and the channel come back. Nothing is lost then: what was charged was
//! debited, and a lane that the chain debited and the books do not know is refused
//! ([`Refusal::StoreBehindChain`](super::Refusal::StoreBehindChain)). Only lanes that were never debited start anew, and
//! their vouchers were never published.

use farthing_protocol::{BaseUnits, Domain};

use super::channel::ChannelLedger;
use super::{ChannelFacts, Ledger, forgotten};
use crate::record::{LaneKey, Record};

/// Why books are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    /// A request is in flight.
    #[error("a request is in flight")]
    InFlight,
    /// More was charged than is known to have been debited.
    #[error("it was charged {0} base units that nobody is known to have paid")]
    Owed(BaseUnits),
}

impl Ledger {
    /// Forgets a channel that is gone. `seen` is what the chain said of it last, if it did since the start. Lanes
    /// that owe less than `min_claim`, which nobody would have claimed, do not count.
    ///
    /// The records are those of one lane after the other, and can be written so.
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
    /// What each lane was charged and not debited, as far as is known. Of a lane with several generations only the
    /// last one could still be claimed.
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
