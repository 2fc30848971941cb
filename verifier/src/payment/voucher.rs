//! Turns the payload of a payment into a voucher that is verified to be signed by its lane's key. Requests and the
//! facilitator use the same checks in the same order.
//!
//! The order is channel, lane, generation, signature: by the cost of each check and by how much its result reveals. The
//! checks of the ledger come afterwards.

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

/// The purpose for which a voucher is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new request: the lane must accept new payments.
    Service,
    /// A request with an idempotency key, which may be a retry: the lane need not accept new payments.
    Retry,
    /// A facilitated charge, possibly of a held amount: channel and lane may have closed or been revoked since.
    Charge,
}

/// A voucher that is verified to be signed by its lane's key.
#[derive(Debug)]
pub(super) struct IdentifiedVoucher {
    pub(super) facts: Arc<ChannelFacts>,
    pub(super) verified: VerifiedVoucher,
    pub(super) payer: Payer,
    /// Whether its lane accepts new payments.
    pub(super) accepting: Result<(), PaymentError>,
}

/// Parses the payload of a payment.
pub(super) fn read_payload(payload: &Value) -> Result<EscrowPayload, PaymentError> {
    EscrowPayload::deserialize(payload).map_err(|error| PaymentError::Malformed(error.to_string()))
}

impl Payments {
    /// Identifies the channel and lane of a voucher and verifies its signature.
    ///
    /// # Errors
    /// [`RefusedPayment`] for the first check that fails. A lane that accepts no new payments is refused only if
    /// `purpose` requires one that does.
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

    /// Adds the state that the client may know to an error. The lane's state is included only if the amount is the
    /// reason of the refusal: the ledger checks amounts only after the signature was valid and the value unused, so
    /// that nobody can read the state with a used voucher that is public on the chain.
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

/// The lane that a voucher is signed for, whether or not the lane accepts new payments.
fn signer_of<'a>(facts: &'a ChannelFacts, voucher: &Voucher) -> Option<&'a LaneFacts> {
    let lane = facts.lanes.get(usize::from(voucher.lane.0))?;
    (lane.generation == voucher.generation && !lane.rotating && !facts.gone).then_some(lane)
}
