//! Payment acceptance: checks a payment against the offer, the channel, the signature and the ledger. Knows no HTTP.
//!
//! Checks are ordered by their cost and by how much their result reveals: first the way to pay, then the voucher
//! (`voucher`), and the ledger last.

mod facilitated;
mod lane_state;
mod offer;
mod signers;
mod voucher;

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::x402::{ChannelStateInfo, PaymentPayload, VoucherStateInfo, X402_VERSION};
use sha2::{Digest, Sha256};

use crate::chain::{ChannelError, Channels};
use crate::durable_ledger::{DurableLedger, Reservation, ReserveError};
use crate::ledger::{Earlier, Refusal};
use crate::prices::Quoted;
use crate::receipts::Payer;
use crate::record::{LaneKey, OutcomeRecord, Remembered, RequestKey};
use crate::store::{StoreFailed, Ticket};

use signers::Signers;
use voucher::{IdentifiedVoucher, Purpose, read_payload};

pub use facilitated::{FacilitatorError, MAX_HELD_SECONDS, SettledPayment};
pub use lane_state::{LaneStateError, LaneStateRequest};
pub use offer::ProviderOffer;

/// Why a payment is not accepted. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The payment does not have the format of the scheme.
    #[error("the payment is malformed: {0}")]
    Malformed(String),
    /// The client chose a way to pay that is not offered.
    #[error("the accepted payment requirements differ from those offered in \"{field}\"")]
    Mismatch {
        /// The field that differs.
        field: &'static str,
    },
    /// The channel cannot be paid with.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The signature is not that of the lane's key over the voucher.
    #[error("the lane's key did not sign this voucher: check the lane and its key")]
    Signature,
    /// The ledger refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl From<ReserveError> for PaymentError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Refused(refusal) => Self::Refused(refusal),
            ReserveError::Store(failed) => Self::Store(failed),
        }
    }
}

/// A refused payment, with the state that the client may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPayment {
    /// Why the payment is refused.
    pub error: PaymentError,
    /// The channel's state, public on the chain, if it is known.
    pub channel_state: Option<ChannelStateInfo>,
    /// The lane's state, only in answer to a valid and unused voucher of its key.
    pub voucher_state: Option<VoucherStateInfo>,
}

impl From<PaymentError> for RefusedPayment {
    fn from(error: PaymentError) -> Self {
        Self {
            error,
            channel_state: None,
            voucher_state: None,
        }
    }
}

/// The idempotency key of a client's request, with the request's digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The key as the client chose it.
    pub text: String,
    /// Digest of the request.
    pub digest: [u8; 32],
}

impl ClientKey {
    /// The key within the namespace of one lane and generation.
    #[must_use]
    pub fn of_lane(&self, lane: &LaneKey) -> RequestKey {
        let key = Sha256::new()
            .chain_update(b"farthing:idempotency-key:v1")
            .chain_update(lane.domain.0)
            .chain_update(lane.lane.0.to_le_bytes())
            .chain_update(lane.generation.0.to_le_bytes())
            .chain_update(self.text.as_bytes());
        RequestKey {
            key: key.finalize().into(),
            digest: self.digest,
        }
    }
}

/// The result of a valid payment.
#[derive(Debug)]
pub enum Admission {
    /// The service may begin.
    Accepted(Accepted),
    /// The same request was served before with the same idempotency key; nothing was changed.
    Replay(Replay),
}

/// The outcome of an earlier request with the same idempotency key.
#[derive(Debug)]
pub struct Replay {
    /// What the earlier request was charged.
    pub outcome: OutcomeRecord,
    /// Its answer and receipt, as far as they are stored.
    pub remembered: Remembered,
    /// Who paid.
    pub payer: Payer,
}

/// An accepted payment: the service may begin.
#[derive(Debug)]
pub struct Accepted {
    /// The reservation of the request's maximum.
    pub reservation: Reservation,
    /// Resolves when the reservation is durable. Nothing of the answer may be sent before.
    pub durable: Ticket,
    /// Who pays.
    pub payer: Payer,
    /// Digest of the request, for the receipt.
    pub request_digest: [u8; 32],
    /// Index of the quote that it pays.
    pub chosen: usize,
}

/// Accepts payments.
#[derive(Debug)]
pub struct Payments {
    offer: ProviderOffer,
    durable_ledger: Arc<DurableLedger>,
    channels: Arc<Channels>,
    signers: Signers,
}

impl Payments {
    /// Payment acceptance for one offer.
    #[must_use]
    pub fn new(
        offer: ProviderOffer,
        durable_ledger: Arc<DurableLedger>,
        channels: Arc<Channels>,
    ) -> Self {
        Self {
            offer,
            durable_ledger,
            channels,
            signers: Signers::default(),
        }
    }

    /// The offer: what is sold and how it is paid for.
    #[must_use]
    pub fn offer(&self) -> &ProviderOffer {
        &self.offer
    }

    /// Whether the store failed.
    #[must_use]
    pub fn store_has_failed(&self) -> bool {
        self.durable_ledger.has_failed()
    }

    /// Accepts a payment for one of the quotes and reserves its maximum. If an earlier request has the same idempotency
    /// key, waits for its outcome instead.
    ///
    /// # Errors
    /// [`RefusedPayment`]; nothing was changed.
    pub async fn accept<Q: Quoted>(
        &self,
        payment: &PaymentPayload,
        request_digest: [u8; 32],
        key: Option<&ClientKey>,
        quotes: &[Q],
    ) -> Result<Admission, RefusedPayment> {
        if payment.x402_version != X402_VERSION {
            let message = format!("x402Version must be {X402_VERSION}");
            return Err(PaymentError::Malformed(message).into());
        }
        let chosen = self.offer.choose(&payment.accepted, quotes)?;
        let maximum = quotes[chosen].maximum();
        let payload = read_payload(&payment.payload)?;
        let purpose = match key {
            Some(_) => Purpose::Retry,
            None => Purpose::Service,
        };
        loop {
            let voucher = self.identify(&payload, purpose).await?;
            let request = key.map(|key| key.of_lane(&voucher.payer.lane));
            let reserved = self
                .reserve(&voucher, request, maximum)
                .map_err(|error| self.explain(error, &voucher.facts, voucher.verified.voucher))?;
            let payer = voucher.payer;
            match reserved {
                Ok((reservation, durable)) => {
                    return Ok(Admission::Accepted(Accepted {
                        reservation,
                        durable,
                        payer,
                        request_digest,
                        chosen,
                    }));
                }
                Err(Earlier::Ended(id, outcome)) => {
                    let remembered = self.durable_ledger.remembered(id).await;
                    return Ok(Admission::Replay(Replay {
                        outcome,
                        remembered: remembered.map_err(PaymentError::from)?,
                        payer,
                    }));
                }
                // Waits for the earlier request, then tries again: if it was charged nothing, this request replaces it.
                Err(Earlier::InFlight(id)) => self.durable_ledger.ended(id).await,
            }
        }
    }

    /// Reserves the maximum, unless there was an earlier request with the same idempotency key.
    fn reserve(
        &self,
        voucher: &IdentifiedVoucher,
        request: Option<RequestKey>,
        maximum: BaseUnits,
    ) -> Result<Result<(Reservation, Ticket), Earlier>, PaymentError> {
        let IdentifiedVoucher {
            facts,
            verified,
            accepting,
            ..
        } = voucher;
        if let (Err(refusal), Some(request)) = (accepting, &request) {
            let earlier = self.durable_ledger.earlier(request)?;
            return earlier.map(Err).ok_or_else(|| refusal.clone());
        }
        let reserved = self
            .durable_ledger
            .reserve(facts, verified, maximum, request);
        Ok(reserved?)
    }
}
