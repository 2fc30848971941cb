//! Lane state queries: the holder of a lane's key reads the lane's state, to continue after an answer was lost.
//!
//! A query is signed by the lane's key and valid for a minute, so nobody else can read the state. No query causes an
//! RPC request, so that it costs no more than checking its signature: only channels that are already followed are
//! answered for.

use farthing_protocol::state_query::StateQuery;
use farthing_protocol::{Generation, LaneIndex};
use farthing_wire::x402::{LaneStateInfo, VoucherStateInfo};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::Payments;
use crate::ledger::Refusal;
use crate::record::{ALL_USED, LaneKey};
use crate::store::StoreFailed;

/// A query for the state of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStateRequest {
    /// The channel's address.
    pub channel: Pubkey,
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// Time at which the query was signed, in seconds of Unix time.
    pub unix_seconds: u64,
    /// The lane key's signature over the query's bytes.
    pub signature: Signature,
}

/// Why a lane state query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneStateError {
    /// The query's timestamp is too old, or in the future.
    #[error(
        "the state query's timestamp is not current: check the clock and sign it again; the Unix time here is {now}"
    )]
    Stale {
        /// This provider's clock.
        now: u64,
    },
    /// The channel is not followed here, because nobody paid with it.
    #[error("this channel has not paid here: pay with it first")]
    ChannelUnknown,
    /// The channel has no such lane or generation, or its key is about to change.
    #[error(transparent)]
    Lane(Refusal),
    /// The query is not signed by the lane's key.
    #[error("the lane's key did not sign this state query: check the lane and its key")]
    Signature,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl Payments {
    /// The state of a lane. What it reports is durable when this returns.
    ///
    /// # Errors
    /// [`LaneStateError`] names the first rule that is broken.
    pub async fn lane_state(
        &self,
        question: &LaneStateRequest,
        now: u64,
    ) -> Result<LaneStateInfo, LaneStateError> {
        let state = self.read_state(question, now)?;
        // Waits for an empty commit, so that the reported state also holds after a crash.
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
