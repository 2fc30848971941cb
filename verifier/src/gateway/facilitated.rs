//! Payments for what somebody else serves, on the terms of this provider's offer and at the other server's price.
//!
//! To verify is to reserve: a payment that was only looked at could be shown to two servers, or twice to one, before it is
//! charged. So a voucher is good for one verification, whatever becomes of it.

use std::sync::Arc;

use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::PriceList;
use farthing_wire::x402::facilitator::{FacilitatorRequest, SupportedKind};
use farthing_wire::x402::{EscrowPayload, SCHEME, X402_VERSION};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use solana_sdk::pubkey::Pubkey;

use super::{ClientKey, Gateway, PaymentError, Refused, signer_of};
use crate::books::{ChargeError, Charged, Hold, HoldError, ReserveError};
use crate::ledger::{ChannelFacts, Refusal, VerifiedVoucher};
use crate::receipts::Payer;
use crate::record::{LaneKey, LaneSnapshot, ReceiptRecord, RequestKey};
use crate::store::StoreFailed;

/// The longest that a payment is held: no channel that is asked to close, and no lane that is revoked, is gone before.
pub const MAX_HELD_SECONDS: u32 = MIN_GRACE_SECONDS;

/// Why a payment is not verified or not settled. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FacilitatorError {
    /// Another version of x402.
    #[error("x402Version must be {X402_VERSION}")]
    Version,
    /// The server asks for something else than is facilitated here.
    #[error("the payment requirements differ from what is facilitated here in \"{field}\"")]
    Requirements {
        /// The field that differs.
        field: &'static str,
    },
    /// The server wants to take longer, or no time at all.
    #[error("maxTimeoutSeconds must be from 1 to {MAX_HELD_SECONDS}")]
    Timeout,
    /// There is nothing to reserve.
    #[error("the amount must be at least one base unit")]
    NothingToPay,
    /// As many payments are held as may be.
    #[error("as many payments wait to be settled as may: try again later")]
    TooMany,
    /// The payment is refused, as it would be for what is sold here.
    #[error("{}", .0.error)]
    Refused(Box<Refused>),
    /// The voucher is used, and nothing is held for it.
    #[error(
        "this voucher is used and nothing is held for it: it was not settled in time, or paid for something else"
    )]
    NotHeld,
    /// It was settled before, for another amount.
    #[error("this payment was settled before, for {charged} base units")]
    SettledBefore {
        /// What it was charged.
        charged: BaseUnits,
    },
    /// More than was verified.
    #[error("this payment was verified for at most {maximum} base units")]
    AboveMaximum {
        /// What is held.
        maximum: BaseUnits,
    },
}

impl From<Refused> for FacilitatorError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<PaymentError> for FacilitatorError {
    fn from(error: PaymentError) -> Self {
        Refused::from(error).into()
    }
}

impl From<StoreFailed> for FacilitatorError {
    fn from(error: StoreFailed) -> Self {
        PaymentError::from(error).into()
    }
}

/// A payment that was settled.
#[derive(Debug)]
pub struct Settled {
    /// Who paid.
    pub payer: Payer,
    /// What was charged.
    pub charged: BaseUnits,
    /// The lane then.
    pub lane: LaneSnapshot,
    /// What the receipt says beside the figures, as far as it is kept.
    pub receipt: Option<ReceiptRecord>,
}

/// A payment whose signature is its lane's.
struct Identified {
    facts: Arc<ChannelFacts>,
    verified: VerifiedVoucher,
    payer: Payer,
    request: RequestKey,
    /// Whether its lane accepts anything new. What was accepted before can be charged without.
    accepting: Result<(), PaymentError>,
}

impl Gateway {
    /// The way to pay that is facilitated.
    #[must_use]
    pub fn supported_kind(&self) -> SupportedKind {
        SupportedKind {
            x402_version: X402_VERSION,
            scheme: SCHEME.to_owned(),
            network: self.offer.network.clone(),
            extra: self.extra(None, PriceList::default()),
        }
    }

    /// Verifies a payment and holds its amount for `maxTimeoutSeconds`; both are durable then. `id` is the key that the
    /// client gave it.
    ///
    /// # Errors
    /// [`FacilitatorError`] names the first rule that is broken.
    pub async fn verify(
        &self,
        asked: &FacilitatorRequest,
        id: Option<&IdempotencyKey>,
        max_held: usize,
    ) -> Result<Payer, FacilitatorError> {
        let requirements = &asked.payment_requirements;
        let seconds = u32::try_from(requirements.max_timeout_seconds).ok();
        let seconds = seconds
            .filter(|seconds| (1..=MAX_HELD_SECONDS).contains(seconds))
            .ok_or(FacilitatorError::Timeout)?;
        if requirements.amount == BaseUnits::ZERO {
            return Err(FacilitatorError::NothingToPay);
        }
        let payment = self.identify(asked, id).await?;
        let refused = |error| self.explain(error, &payment.facts, payment.verified.voucher);
        payment.accepting.clone().map_err(refused)?;
        let hold = Hold {
            maximum: requirements.amount,
            request: payment.request,
            seconds,
            max_held,
        };
        let held = self.books.hold(&payment.facts, &payment.verified, &hold);
        let durable = held.map_err(|error| match error {
            HoldError::TooMany => FacilitatorError::TooMany,
            HoldError::Reserve(error) => refused(error.into()).into(),
        })?;
        durable.durable().await?;
        Ok(payment.payer)
    }

    /// Charges a payment, once, whether or not it was verified before; that is durable then. Nothing is charged for an
    /// amount of nothing, and what is held is released. `draft` is what the receipt of a new charge says beside its
    /// figures.
    ///
    /// # Errors
    /// [`FacilitatorError`] names the first rule that is broken.
    pub async fn settle(
        &self,
        asked: &FacilitatorRequest,
        id: Option<&IdempotencyKey>,
        draft: ReceiptRecord,
    ) -> Result<Settled, FacilitatorError> {
        let payment = self.identify(asked, id).await?;
        let amount = asked.payment_requirements.amount;
        let accepting = payment.accepting.is_ok().then_some(&payment.facts);
        let charged = self.books.charge(
            &payment.facts,
            accepting,
            &payment.verified,
            payment.request,
            amount,
            draft.clone(),
        );
        let payer = payment.payer;
        match charged.map_err(|error| self.not_charged(error, payment))? {
            Charged::New(lane, durable) => {
                durable.durable().await?;
                Ok(Settled {
                    payer,
                    charged: amount,
                    lane,
                    receipt: Some(draft),
                })
            }
            Charged::Again(id, outcome) => {
                let remembered = self.books.remembered(id).await?;
                Ok(Settled {
                    payer,
                    charged: outcome.charged,
                    lane: outcome.lane_then(),
                    receipt: remembered.receipt,
                })
            }
        }
    }

    fn not_charged(&self, error: ChargeError, payment: Identified) -> FacilitatorError {
        let voucher = payment.verified.voucher;
        let refused = |error| self.explain(error, &payment.facts, voucher).into();
        match error {
            ChargeError::ChargedBefore { charged } => FacilitatorError::SettledBefore { charged },
            ChargeError::AboveMaximum { maximum } => FacilitatorError::AboveMaximum { maximum },
            ChargeError::NotHeld => match payment.accepting {
                Ok(()) => FacilitatorError::NotHeld,
                Err(error) => refused(error),
            },
            ChargeError::Reserve(ReserveError::Refused(Refusal::VoucherUsed)) => {
                FacilitatorError::NotHeld
            }
            ChargeError::Reserve(error) => refused(error.into()),
        }
    }

    /// Checks everything but the books.
    async fn identify(
        &self,
        asked: &FacilitatorRequest,
        id: Option<&IdempotencyKey>,
    ) -> Result<Identified, FacilitatorError> {
        let (payment, requirements) = (&asked.payment_payload, &asked.payment_requirements);
        if asked.x402_version != X402_VERSION || payment.x402_version != X402_VERSION {
            return Err(FacilitatorError::Version);
        }
        if let Some(field) = self.offer.difference(requirements) {
            return Err(FacilitatorError::Requirements { field });
        }
        self.require_accepted(&payment.accepted, requirements.amount)?;
        let EscrowPayload::Voucher {
            channel,
            lane,
            generation,
            authorized,
            signature,
        } = EscrowPayload::deserialize(&payment.payload)
            .map_err(|error| PaymentError::Malformed(error.to_string()))?;
        let (facts, served) = match self.channels.served(channel).await {
            Ok(facts) => (facts, Ok(())),
            Err(error) => match self.channels.known(&channel) {
                Some(facts) => (facts, Err(error)),
                None => return Err(PaymentError::from(error).into()),
            },
        };
        let voucher = Voucher {
            domain: facts.domain,
            lane: LaneIndex(lane),
            generation: Generation(generation),
            authorized,
        };
        let accepting = served.map_err(PaymentError::from).and_then(|()| {
            facts.lane(voucher.lane, voucher.generation)?;
            Ok(())
        });
        let signature = <[u8; 64]>::from(signature);
        let signer = signer_of(&facts, &voucher).map(|lane| lane.signer);
        let message = voucher.to_bytes();
        let is_signer = |signer: &[u8; 32]| self.signers.is_signed(&message, &signature, signer);
        let Some(signer) = signer.filter(is_signer) else {
            let error = accepting.err().unwrap_or(PaymentError::Signature);
            return Err(self.explain(error, &facts, voucher).into());
        };
        let lane = LaneKey::of(&voucher);
        Ok(Identified {
            payer: Payer {
                key: Pubkey::new_from_array(signer),
                channel,
                lane,
            },
            verified: VerifiedVoucher { voucher, signature },
            request: known_by(id, &voucher, &lane),
            facts,
            accepting,
        })
    }
}

/// How a payment is known again: by the key that its client gave it, so that one key is not paid for by two vouchers, or
/// else by its voucher.
fn known_by(id: Option<&IdempotencyKey>, voucher: &Voucher, lane: &LaneKey) -> RequestKey {
    let digest = Sha256::digest(voucher.to_bytes()).into();
    match id {
        Some(id) => {
            let text = id.to_string();
            ClientKey { text, digest }.of_lane(lane)
        }
        None => {
            let key = Sha256::new()
                .chain_update(b"farthing:facilitated-voucher:v1")
                .chain_update(voucher.to_bytes());
            let key = key.finalize().into();
            RequestKey { key, digest }
        }
    }
}
