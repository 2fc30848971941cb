//! Plans what to settle, and in which order. Pure: time is an argument.
//!
//! Closing channels come first, because their time is limited; then channels with revoked lanes; then channels whose
//! unsettled amount is large enough or old enough. One transaction claims lanes of one channel.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use farthing_protocol::deadline::{ChainTime, grace_is_over};

use crate::ledger::{ChannelFacts, Unsettled};
use crate::ports::Moment;
use crate::record::LaneKey;

/// The most claims that fit into one transaction without an address lookup table, measured by serialising them.
pub const MAX_CLAIMS_PER_TRANSACTION: usize = 10;

/// When to settle.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// A channel with at least this amount unsettled is due.
    pub min_amount: BaseUnits,
    /// A channel that has had unsettled charges for this long is due.
    pub max_age: Duration,
    /// A lane with a smaller unsettled amount is left out.
    pub min_claim: BaseUnits,
}

/// The unsettled charges of a channel.
#[derive(Debug, Clone)]
pub struct Owing {
    /// The channel.
    pub facts: Arc<ChannelFacts>,
    /// Its lanes with unsettled charges.
    pub lanes: Vec<Unsettled>,
}

/// The circumstances in which a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The present time.
    pub now: Moment,
    /// The finalized chain clock, if known.
    pub chain_time: Option<ChainTime>,
    /// Lanes whose settlement is pending.
    pub busy: &'a HashSet<LaneKey>,
    /// Whether to settle everything, due or not.
    pub everything: bool,
}

/// Claims of one transaction, with strictly ascending lanes.
#[derive(Debug, Clone)]
pub struct PlannedSettlement {
    /// The channel.
    pub facts: Arc<ChannelFacts>,
    /// At most [`MAX_CLAIMS_PER_TRANSACTION`].
    pub claims: Vec<Unsettled>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Closing,
    Revoked,
    Ordinary,
}

/// Plans what to settle now, the most urgent first.
#[must_use]
pub fn plan(
    policy: &Policy,
    situation: &Situation<'_>,
    owing: Vec<Owing>,
) -> Vec<PlannedSettlement> {
    let mut due: Vec<_> = owing
        .into_iter()
        .filter_map(|channel| assess(policy, situation, channel))
        .collect();
    due.sort_by_key(|(urgency, channel)| (*urgency, Reverse(total(&channel.lanes))));
    let mut plans = Vec::new();
    for (_, mut channel) in due {
        channel.lanes.sort_by_key(|lane| lane.lane);
        for claims in channel.lanes.chunks(MAX_CLAIMS_PER_TRANSACTION) {
            plans.push(PlannedSettlement {
                facts: Arc::clone(&channel.facts),
                claims: claims.to_vec(),
            });
        }
    }
    plans
}

/// The urgency of a channel and its lanes that can be claimed, if it is due.
fn assess(
    policy: &Policy,
    situation: &Situation<'_>,
    mut channel: Owing,
) -> Option<(Urgency, Owing)> {
    let facts = &channel.facts;
    if facts.gone {
        return None;
    }
    channel.lanes.retain(|lane| {
        let key = LaneKey {
            domain: facts.domain,
            lane: lane.lane,
            generation: lane.generation,
        };
        lane.owed > BaseUnits::ZERO
            && lane.owed >= policy.min_claim
            && !situation.busy.contains(&key)
            && !revocation_is_effective(facts, lane, situation.chain_time)
    });
    keep_within(
        facts.deposit.saturating_sub(facts.debited),
        &mut channel.lanes,
    );
    let oldest = channel.lanes.iter().map(|lane| lane.since).min()?;
    let is_revoked = |lane: &Unsettled| {
        let on_chain = facts.lanes.get(usize::from(lane.lane.0));
        on_chain.is_some_and(|lane| lane.revoked.is_some())
    };
    let urgency = if facts.closing {
        Urgency::Closing
    } else if channel.lanes.iter().any(is_revoked) {
        Urgency::Revoked
    } else {
        let is_due = situation.everything
            || total(&channel.lanes) >= policy.min_amount
            || situation.now.since(oldest) >= policy.max_age;
        if !is_due {
            return None;
        }
        Urgency::Ordinary
    };
    Some((urgency, channel))
}

/// Reduces claims to what the deposit still covers. Every accepted charge was covered, but the payee may have released
/// part of the deposit since, and the program refuses a whole batch that claims more.
fn keep_within(unspent: BaseUnits, lanes: &mut Vec<Unsettled>) {
    let mut left = unspent;
    lanes.retain_mut(|lane| {
        let owed = lane.owed.min(left);
        left = left.saturating_sub(owed);
        let missing = lane.owed.saturating_sub(owed);
        lane.owed = owed;
        lane.charged = lane.charged.saturating_sub(missing);
        // A claim has 32 bits for the difference between authorized and debited.
        let undebited = lane.authorized.saturating_sub(lane.charged);
        owed > BaseUnits::ZERO && undebited.0 <= u64::from(u32::MAX)
    });
}

/// Whether the program skips claims of the lane, because the grace of its revocation is over.
fn revocation_is_effective(
    facts: &ChannelFacts,
    lane: &Unsettled,
    chain_time: Option<ChainTime>,
) -> bool {
    let revoked = facts
        .lanes
        .get(usize::from(lane.lane.0))
        .and_then(|lane| lane.revoked);
    match (revoked, chain_time) {
        (Some(revoked), Some(now)) => grace_is_over(revoked, facts.grace_seconds, now),
        _ => false,
    }
}

fn total(lanes: &[Unsettled]) -> BaseUnits {
    let sum = lanes
        .iter()
        .fold(0_u64, |sum, lane| sum.saturating_add(lane.owed.0));
    BaseUnits(sum)
}

#[cfg(test)]
mod tests;
