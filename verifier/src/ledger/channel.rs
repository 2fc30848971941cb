//! A channel: its state on the chain, and the sums that the ledger keeps for it.

use std::sync::Arc;

use farthing_protocol::deadline::ChainTime;
use farthing_protocol::debit::ChannelPosition;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;

use super::Refusal;
use super::lanes::Lanes;
use crate::record::LaneKey;

/// A channel's state on the chain, merged from a finalized and a processed reading: changes that allow more spending
/// count once they are finalized, changes that allow less as soon as they are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelFacts {
    /// The channel's address.
    pub address: Pubkey,
    /// The domain that the channel's vouchers are bound to.
    pub domain: Domain,
    /// The escrow that its deposit belongs to.
    pub escrow: Pubkey,
    /// The channel's grace in seconds.
    pub grace_seconds: u32,
    /// The channel's deposit.
    pub deposit: BaseUnits,
    /// What was debited on-chain in total.
    pub debited: BaseUnits,
    /// Whether a close was requested, or the channel is closed already.
    pub closing: bool,
    /// Whether the channel no longer exists in this incarnation, so that nothing can be claimed.
    pub gone: bool,
    /// Its lanes.
    pub lanes: Vec<LaneFacts>,
}

/// A lane's state on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFacts {
    /// The key that signs this generation's vouchers.
    pub signer: [u8; 32],
    /// The most that the lane may be debited in total.
    pub cap: BaseUnits,
    /// What the lane was debited so far.
    pub debited: BaseUnits,
    /// How often the signer was replaced.
    pub generation: Generation,
    /// When a revocation was requested, if it was.
    pub revoked: Option<ChainTime>,
    /// Whether the signer was replaced so recently that the replacement is not final.
    pub rotating: bool,
}

impl ChannelFacts {
    /// The lane that a voucher names, if vouchers of that lane and generation are accepted.
    ///
    /// # Errors
    /// [`Refusal`] names the broken rule.
    pub fn lane(&self, lane: LaneIndex, generation: Generation) -> Result<&LaneFacts, Refusal> {
        if self.closing || self.gone {
            return Err(Refusal::ChannelClosing);
        }
        let facts = self
            .lanes
            .get(usize::from(lane.0))
            .ok_or(Refusal::LaneUnknown)?;
        if facts.generation != generation {
            return Err(Refusal::GenerationMismatch {
                expected: facts.generation,
            });
        }
        if facts.revoked.is_some() || facts.rotating {
            return Err(Refusal::LaneRevoked);
        }
        Ok(facts)
    }
}

/// The ledger of one channel.
#[derive(Debug)]
pub(super) struct ChannelLedger {
    pub(super) address: Pubkey,
    pub(super) lanes: Lanes,
    /// The facts that `charged` was computed with.
    facts: Option<Arc<ChannelFacts>>,
    charged: BaseUnits,
    reserved: BaseUnits,
}

impl ChannelLedger {
    pub(super) fn new(address: Pubkey) -> Self {
        Self {
            address,
            lanes: Lanes::default(),
            facts: None,
            charged: BaseUnits::ZERO,
            reserved: BaseUnits::ZERO,
        }
    }

    /// Takes over the state on the chain; the sum over the lanes is computed again only when that state changed.
    pub(super) fn observe(&mut self, facts: &Arc<ChannelFacts>) {
        let known = self.facts.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, facts)) {
            return;
        }
        self.facts = Some(Arc::clone(facts));
        self.charged = self.sum_of_charges();
    }

    /// The sum of what the lanes were charged or, where the chain is ahead, debited. Only a lane's current generation
    /// can still be claimed; earlier generations count as far as the chain debited them.
    fn sum_of_charges(&self) -> BaseUnits {
        let Some(facts) = &self.facts else {
            return BaseUnits::ZERO;
        };
        let charges = facts.lanes.iter().zip(0_u16..).map(|(lane, index)| {
            self.lanes
                .get(LaneIndex(index), lane.generation)
                .map_or(lane.debited, |ledger| ledger.charged.max(lane.debited))
        });
        // A sum beyond u64 exceeds every deposit, so saturating still refuses the request.
        BaseUnits(charges.fold(0_u64, |sum, charge| sum.saturating_add(charge.0)))
    }

    pub(super) fn position(&self) -> ChannelPosition {
        ChannelPosition {
            deposit: self
                .facts
                .as_ref()
                .map_or(BaseUnits::ZERO, |facts| facts.deposit),
            charged: self.charged,
            reserved: self.reserved,
        }
    }

    /// What the ledger knows to be charged to a lane: the highest over its generations.
    pub(super) fn known_charge(&self, lane: LaneIndex) -> BaseUnits {
        let generations = self.lanes.generations(lane).iter();
        let charges = generations.map(|(_, ledger)| ledger.charged);
        charges.max().unwrap_or_default()
    }

    /// The lanes that the chain debited beyond what the ledger knows of.
    pub(super) fn behind(&self, facts: &ChannelFacts) -> Vec<LaneIndex> {
        let lanes = facts.lanes.iter().zip((0..=u16::MAX).map(LaneIndex));
        lanes
            .filter(|(on_chain, index)| on_chain.debited > self.known_charge(*index))
            .map(|(_, index)| index)
            .collect()
    }

    pub(super) fn reserve(&mut self, maximum: BaseUnits) {
        self.reserved = BaseUnits(self.reserved.0.saturating_add(maximum.0));
    }

    /// Ends a reservation of `maximum`. `charged_before` and `charged_after` are the lane's totals.
    pub(super) fn release(
        &mut self,
        key: LaneKey,
        maximum: BaseUnits,
        charged_before: BaseUnits,
        charged_after: BaseUnits,
    ) {
        self.reserved = self.reserved.saturating_sub(maximum);
        let counted = self
            .facts
            .as_ref()
            .and_then(|facts| facts.lanes.get(usize::from(key.lane.0)))
            .filter(|lane| lane.generation == key.generation);
        if let Some(lane) = counted {
            let before = charged_before.max(lane.debited);
            let added = charged_after.max(lane.debited).saturating_sub(before);
            self.charged = BaseUnits(self.charged.0.saturating_add(added.0));
        }
    }
}
