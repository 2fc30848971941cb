//! From a payload to a voucher whose signature is its lane's: the one order of checks, whoever asks.
//!
//! Channel, lane, generation, signature: the order of what they cost and of what they give away. The ledger judges last.

use std::sync::Arc;

use farthing_protocol::{Generation, LaneIndex, Voucher};
use farthing_wire::x402::{ChannelStateInfo, EscrowPayload, VoucherStateInfo};
use serde::Deserialize;
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{PaymentError, Payments, RefusedPayment};
use crate::ledger::{ChannelFacts, LaneFacts, Refusal, VerifiedVoucher};
use crate::receipts::Payer;
use crate::record::LaneKey;

/// What a voucher is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something new, which its lane must accept.
    Service,
    /// Perhaps the answer to an earlier request, for which its lane need not accept anything new.
    Retry,
    /// A charge, perhaps of what is held, whatever became of its channel and lane since.
    Charge,
}

/// A voucher whose signature is its lane's.
#[derive(Debug)]
pub(super) struct IdentifiedVoucher {
    pub(super) facts: Arc<ChannelFacts>,
    pub(super) verified: VerifiedVoucher,
    pub(super) payer: Payer,
    /// Whether its lane accepts anything new.
    pub(super) accepting: Result<(), PaymentError>,
}

/// The payload of a payment.
pub(super) fn read_payload(payload: &Value) -> Result<EscrowPayload, PaymentError> {
    EscrowPayload::deserialize(payload).map_err(|error| PaymentError::Malformed(error.to_string()))
}

impl Payments {
    /// Finds out whose voucher it is.
    ///
    /// # Errors
    /// [`RefusedPayment`] for the first check that fails; of a lane that accepts nothing new only if `purpose` needs it.
    pub(super) async fn identify(
        &self,
        payload: &EscrowPayload,
        purpose: Purpose,
    ) -> Result<IdentifiedVoucher, RefusedPayment> {
        let EscrowPayload::Voucher {
            channel,
            lane,
            generation,
            authorized,
            signature,
        } = payload;
        let (facts, served) = match self.channels.served(*channel).await {
            Ok(facts) => (facts, Ok(())),
            Err(error) => match self.channels.known(channel) {
                Some(facts) => (facts, Err(PaymentError::from(error))),
                None => return Err(PaymentError::from(error).into()),
            },
        };
        let voucher = Voucher {
            domain: facts.domain,
            lane: LaneIndex(*lane),
            generation: Generation(*generation),
            authorized: *authorized,
        };
        let refused = |error| self.explain(error, &facts, voucher);
        if purpose != Purpose::Charge {
            served.clone().map_err(refused)?;
        }
        let accepting = served.and_then(|()| {
            facts.lane(voucher.lane, voucher.generation)?;
            Ok(())
        });
        if purpose == Purpose::Service {
            accepting.clone().map_err(refused)?;
        }
        let signature = <[u8; 64]>::from(*signature);
        let message = voucher.to_bytes();
        let signer = signer_of(&facts, &voucher).map(|lane| lane.signer);
        let is_signer = |signer: &[u8; 32]| self.signers.is_signed(&message, &signature, signer);
        let Some(signer) = signer.filter(is_signer) else {
            return Err(refused(accepting.err().unwrap_or(PaymentError::Signature)));
        };
        Ok(IdentifiedVoucher {
            payer: Payer {
                key: Pubkey::new_from_array(signer),
                channel: facts.address,
                lane: LaneKey::of(&voucher),
            },
            verified: VerifiedVoucher { voucher, signature },
            facts,
            accepting,
        })
    }

    /// Adds what the client may know. The lane's state is told only where the amount is the reason: the
    /// ledger judges amounts after the signature was found valid and the value unused, so a voucher
    /// that somebody else read on the chain learns nothing.
    pub(super) fn explain(
        &self,
        error: PaymentError,
        facts: &ChannelFacts,
        voucher: Voucher,
    ) -> RefusedPayment {
        let key = LaneKey::of(&voucher);
        let lane = match &error {
            PaymentError::Refused(Refusal::Amount(_)) => self.durable_ledger.lane(facts, key),
            _ => None,
        };
        RefusedPayment {
            error,
            channel_state: Some(channel_state(facts)),
            voucher_state: lane.map(|lane| VoucherStateInfo {
                authorized: lane.authorized,
                signature: lane.signature.map(Signature::from),
                charged: lane.charged,
                reserved: lane.reserved,
            }),
        }
    }
}

fn channel_state(facts: &ChannelFacts) -> ChannelStateInfo {
    ChannelStateInfo {
        channel: facts.address,
        deposit: facts.deposit,
        debited: facts.debited,
        closing: facts.closing,
    }
}

/// The lane that a voucher is signed for, whether or not it accepts anything new.
fn signer_of<'a>(facts: &'a ChannelFacts, voucher: &Voucher) -> Option<&'a LaneFacts> {
    let lane = facts.lanes.get(usize::from(voucher.lane.0))?;
    (lane.generation == voucher.generation && !lane.rotating && !facts.gone).then_some(lane)
}
