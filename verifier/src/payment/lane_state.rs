//! What the holder of a lane's key is told of the lane: enough to go on after an answer was lost.
//!
//! Nobody else is told anything: the question is signed by the lane's key and good for a minute. Nothing here asks the
//! chain, so that a question costs no more than its signature: a channel that nobody paid with has nothing to tell.

use farthing_protocol::state_query::StateQuery;
use farthing_protocol::{Generation, LaneIndex};
use farthing_wire::x402::{LaneStateInfo, VoucherStateInfo};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::Payments;
use crate::ledger::Refusal;
use crate::record::{ALL_USED, LaneKey};
use crate::store::StoreFailed;

/// A question about one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStateRequest {
    /// The channel's address.
    pub channel: Pubkey,
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// When it was signed, in seconds of Unix time.
    pub unix_seconds: u64,
    /// The lane key's signature over the query's bytes.
    pub signature: Signature,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneStateError {
    /// Signed too long ago, or ahead of time.
    #[error(
        "the question was signed for another minute: sign it anew, by a clock that is right; here it is {now} in Unix time"
    )]
    Stale {
        /// This provider's clock.
        now: u64,
    },
    /// Nobody paid with this channel here.
    #[error("nobody paid with this channel here")]
    ChannelUnknown,
    /// The channel has no such lane or generation, or its key is about to change.
    #[error(transparent)]
    Lane(Refusal),
    /// Not signed by the lane's key.
    #[error("the signature is not that of the lane's key over this question")]
    Signature,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl Payments {
    /// The state of a lane, durable when it is told.
    ///
    /// # Errors
    /// [`LaneStateError`] names the first rule that is broken.
    pub async fn lane_state(
        &self,
        question: &LaneStateRequest,
        now: u64,
    ) -> Result<LaneStateInfo, LaneStateError> {
        let state = self.read_state(question, now)?;
        // What is told is true after a crash as well.
        self.durable_ledger.record(Vec::new()).durable().await?;
        Ok(state)
    }

    fn read_state(
        &self,
        question: &LaneStateRequest,
        now: u64,
    ) -> Result<LaneStateInfo, LaneStateError> {
        let known = self.channels.known(&question.channel);
        let facts = known.ok_or(LaneStateError::ChannelUnknown)?;
        let query = StateQuery {
            domain: facts.domain,
            lane: question.lane,
            generation: question.generation,
            unix_seconds: question.unix_seconds,
        };
        if !query.is_fresh(now) {
            return Err(LaneStateError::Stale { now });
        }
        let lane = facts.lanes.get(usize::from(question.lane.0));
        let lane = lane.ok_or(LaneStateError::Lane(Refusal::LaneUnknown))?;
        if lane.generation != question.generation {
            let expected = lane.generation;
            return Err(LaneStateError::Lane(Refusal::GenerationMismatch {
                expected,
            }));
        }
        if lane.rotating {
            return Err(LaneStateError::Lane(Refusal::LaneRevoked));
        }
        let signature = <[u8; 64]>::from(question.signature);
        let message = query.to_bytes();
        if !self.signers.is_signed(&message, &signature, &lane.signer) {
            return Err(LaneStateError::Signature);
        }
        let key = LaneKey {
            domain: facts.domain,
            lane: question.lane,
            generation: question.generation,
        };
        self.durable_ledger.read(|ledger| {
            let lane = ledger.lane(&facts, key);
            let lane = lane.ok_or(LaneStateError::Lane(Refusal::LaneUnknown))?;
            let used = ledger.used(key);
            if used.floor == ALL_USED || ledger.behind(&facts).contains(&question.lane) {
                return Err(LaneStateError::Lane(Refusal::StoreBehindChain));
            }
            Ok(LaneStateInfo {
                state: VoucherStateInfo {
                    authorized: lane.authorized,
                    signature: lane.signature.map(Signature::from),
                    charged: lane.charged,
                    reserved: lane.reserved,
                },
                deposit: lane.deposit,
                used_floor: used.floor,
                used: used.values,
            })
        })
    }
}
