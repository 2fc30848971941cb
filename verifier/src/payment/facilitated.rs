//! Payments for requests that another server serves: this provider is their x402 facilitator. The offer's terms apply,
//! at the other server's price.
//!
//! To verify a payment is to reserve its amount. Otherwise a client could show one payment to two servers, or twice to
//! the same server, before it is charged. A voucher can therefore be verified once, whatever happens to it afterwards.

use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_protocol::{BaseUnits, Voucher};
use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::PriceList;
use farthing_wire::x402::facilitator::{FacilitatorRequest, SupportedKind};
use farthing_wire::x402::{SCHEME, X402_VERSION};
use sha2::{Digest, Sha256};

use super::voucher::{IdentifiedVoucher, Purpose, read_payload};
use super::{ClientKey, PaymentError, Payments, RefusedPayment};
use crate::durable_ledger::{ChargeError, Charged, Hold, HoldError, ReserveError};
use crate::ledger::Refusal;
use crate::receipts::Payer;
use crate::record::{LaneKey, LaneSnapshot, ReceiptRecord, RequestKey};
use crate::store::StoreFailed;

/// The longest time for which a payment is held. It is the shortest grace, so that a channel whose close is requested,
/// or a lane that is revoked, still exists when the hold ends.
pub const MAX_HELD_SECONDS: u32 = MIN_GRACE_SECONDS;

/// Why a payment is not verified or not settled. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FacilitatorError {
    /// The request uses another version of x402.
    #[error("x402Version must be {X402_VERSION}")]
    Version,
    /// The server's payment requirements do not match what is facilitated here.
    #[error("the payment requirements differ from what is facilitated here in \"{field}\"")]
    Requirements {
        /// The field that differs.
        field: &'static str,
    },
    /// The requested hold is longer than allowed, or zero.
    #[error("maxTimeoutSeconds must be from 1 to {MAX_HELD_SECONDS}")]
    Timeout,
    /// The amount is zero, so there is nothing to reserve.
    #[error("the amount must be at least one base unit")]
    NothingToPay,
    /// The maximum number of payments is already held.
    #[error("too many verified payments are not settled yet: try again later")]
    TooMany,
    /// The payment is refused for the same reason as it would be for a request that is sold here.
    #[error("{}", .0.error)]
    Refused(Box<RefusedPayment>),
    /// The voucher was already used, and no amount is held for it.
    #[error(
        "this voucher was already used and no amount is held for it: its hold expired, or it paid for another request"
    )]
    NotHeld,
    /// The payment was already settled, for another amount.
    #[error("this payment was already settled, for {charged} base units")]
    SettledBefore {
        /// The amount that it was charged.
        charged: BaseUnits,
    },
    /// The amount is more than was verified.
    #[error("this payment was verified for at most {maximum} base units")]
    AboveMaximum {
        /// The amount that is held.
        maximum: BaseUnits,
    },
}

impl From<RefusedPayment> for FacilitatorError {
    fn from(refused: RefusedPayment) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<PaymentError> for FacilitatorError {
    fn from(error: PaymentError) -> Self {
        RefusedPayment::from(error).into()
    }
}

impl From<StoreFailed> for FacilitatorError {
    fn from(error: StoreFailed) -> Self {
        PaymentError::from(error).into()
    }
}

/// A payment that was settled.
#[derive(Debug)]
pub struct SettledPayment {
    /// Who paid.
    pub payer: Payer,
    /// What was charged.
    pub charged: BaseUnits,
    /// The lane's figures right after the charge.
    pub lane: LaneSnapshot,
    /// The contents of the receipt besides the figures, if they are still stored.
    pub receipt: Option<ReceiptRecord>,
}

/// A payment whose voucher was identified, with the request key by which a repeated call is recognized.
struct IdentifiedPayment {
    voucher: IdentifiedVoucher,
    request: RequestKey,
}

impl Payments {
    /// The way to pay that is facilitated.
    #[must_use]
    pub fn supported_kind(&self) -> SupportedKind {
        SupportedKind {
            x402_version: X402_VERSION,
            scheme: SCHEME.to_owned(),
            network: self.offer.network.clone(),
            extra: self.offer.extra(None, PriceList::default()),
        }
    }

    /// Verifies a payment and holds its amount for `maxTimeoutSeconds`. The hold is durable when this returns. `id` is
    /// the client's idempotency key.
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
        let IdentifiedPayment { voucher, request } = self.identify_payment(asked, id).await?;
        let refused = |error| self.explain(error, &voucher.facts, voucher.verified.voucher);
        voucher.accepting.clone().map_err(refused)?;
        let hold = Hold {
            maximum: requirements.amount,
            request,
            seconds,
            max_held,
        };
        let held = self
            .durable_ledger
            .hold(&voucher.facts, &voucher.verified, &hold);
        let durable = held.map_err(|error| match error {
            HoldError::TooMany => FacilitatorError::TooMany,
            HoldError::Reserve(error) => refused(error.into()).into(),
        })?;
        durable.durable().await?;
        Ok(voucher.payer)
    }

    /// Charges a payment once, whether or not it was verified before. The charge is durable when this returns. An
    /// amount of zero charges nothing and releases the hold. `draft` is the content of a new charge's receipt besides
    /// the figures.
    ///
    /// # Errors
    /// [`FacilitatorError`] names the first rule that is broken.
    pub async fn settle(
        &self,
        asked: &FacilitatorRequest,
        id: Option<&IdempotencyKey>,
        draft: ReceiptRecord,
    ) -> Result<SettledPayment, FacilitatorError> {
        let IdentifiedPayment { voucher, request } = self.identify_payment(asked, id).await?;
        let amount = asked.payment_requirements.amount;
        let accepting = voucher.accepting.is_ok().then_some(&voucher.facts);
        let charged = self.durable_ledger.charge(
            &voucher.facts,
            accepting,
            &voucher.verified,
            request,
            amount,
            draft.clone(),
        );
        let payer = voucher.payer;
        match charged.map_err(|error| self.not_charged(error, voucher))? {
            Charged::New(lane, durable) => {
                durable.durable().await?;
                Ok(SettledPayment {
                    payer,
                    charged: amount,
                    lane,
                    receipt: Some(draft),
                })
            }
            Charged::Before(id, outcome) => {
                let remembered = self.durable_ledger.remembered(id).await?;
                Ok(SettledPayment {
                    payer,
                    charged: outcome.charged,
                    lane: outcome.lane_then(),
                    receipt: remembered.receipt,
                })
            }
        }
    }

    fn not_charged(&self, error: ChargeError, payment: IdentifiedVoucher) -> FacilitatorError {
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

    /// Does all checks except those of the ledger.
    async fn identify_payment(
        &self,
        asked: &FacilitatorRequest,
        id: Option<&IdempotencyKey>,
    ) -> Result<IdentifiedPayment, FacilitatorError> {
        let (payment, requirements) = (&asked.payment_payload, &asked.payment_requirements);
        if asked.x402_version != X402_VERSION || payment.x402_version != X402_VERSION {
            return Err(FacilitatorError::Version);
        }
        if let Some(field) = self.offer.difference(requirements) {
            return Err(FacilitatorError::Requirements { field });
        }
        self.offer
            .require_accepted(&payment.accepted, requirements.amount)?;
        let payload = read_payload(&payment.payload)?;
        let voucher = self.identify(&payload, Purpose::Charge).await?;
        let request = known_by(id, &voucher.verified.voucher, &voucher.payer.lane);
        Ok(IdentifiedPayment { voucher, request })
    }
}

/// The key by which a repeated call for the same payment is recognized: the client's idempotency key if there is one,
/// so that two vouchers cannot pay for the same key, and otherwise a hash of the voucher.
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
