//! The ledger's interface to settlement: the unsettled amounts, and noting finalized settlements.

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;

use super::{ChannelFacts, Ledger, lane_record};
use crate::ports::Moment;
use crate::record::{LaneKey, Record};

/// The unsettled amount of a lane, with the voucher that proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled {
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// The highest ceiling signed.
    pub authorized: BaseUnits,
    /// The signature over it.
    pub signature: [u8; 64],
    /// The value that the on-chain counter is to be debited to.
    pub charged: BaseUnits,
    /// The unsettled amount: what debiting to `charged` adds to the on-chain counter.
    pub owed: BaseUnits,
    /// Since when the lane has unsettled charges.
    pub since: Moment,
}

impl Ledger {
    /// The domains and addresses of all channels in the ledger.
    pub fn channels(&self) -> impl Iterator<Item = (Domain, Pubkey)> + '_ {
        self.channels
            .iter()
            .map(|(domain, channel)| (*domain, channel.address))
    }

    /// The unsettled amounts of a channel's lanes that can still be claimed: current generations with a voucher.
    #[must_use]
    pub fn unsettled(&self, facts: &ChannelFacts) -> Vec<Unsettled> {
        let Some(channel) = self.channels.get(&facts.domain) else {
            return Vec::new();
        };
        let lanes = channel
            .lanes
            .iter()
            .filter_map(|(index, generation, lane)| {
                let on_chain = facts.lanes.get(usize::from(index.0))?;
                let owed = lane
                    .charged
                    .saturating_sub(on_chain.debited.max(lane.settled));
                if on_chain.generation != generation || owed == BaseUnits::ZERO {
                    return None;
                }
                Some(Unsettled {
                    lane: index,
                    generation,
                    authorized: lane.authorized,
                    signature: lane.signature?,
                    charged: lane.charged,
                    owed,
                    since: lane.unsettled_since.unwrap_or_default(),
                })
            });
        lanes.collect()
    }

    /// Notes that a settlement planned at `planned_at` is final. `None` if the ledger has no such lane.
    pub fn settled(
        &mut self,
        key: LaneKey,
        debit_to: BaseUnits,
        planned_at: Moment,
    ) -> Option<Record> {
        let lane = self.lane_mut(key)?;
        lane.settled = lane.settled.max(debit_to);
        lane.unsettled_since = (lane.charged > lane.settled).then_some(planned_at);
        Some(Record::Lane(key, lane_record(lane)))
    }
}
