//! Whether a payment is accepted: offer, channels, signatures and ledger put together. HTTP stays outside.
//!
//! The order of checks is the order of what they cost and of what they give away: the way to pay, the
//! voucher ([`voucher`]), and the ledger last.

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
pub use offer::Offer;

/// Why a payment is not accepted. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The payment is not what the scheme describes.
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
    #[error("the signature is not that of the lane's key over this voucher")]
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

/// A refusal with what the client may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPayment {
    /// Why.
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

/// The key by which a client may ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// As the client chose it.
    pub text: String,
    /// Hash of what was asked.
    pub digest: [u8; 32],
}

impl ClientKey {
    /// The key in the namespace of a lane in one generation.
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

/// What a good payment leads to.
#[derive(Debug)]
pub enum Admission {
    /// The service may begin.
    Accepted(Accepted),
    /// The same was asked before with the same key; nothing was changed.
    Replay(Replay),
}

/// The end of a request that was asked before.
#[derive(Debug)]
pub struct Replay {
    /// What it came to.
    pub outcome: OutcomeRecord,
    /// Its answer and receipt, as far as they are kept.
    pub remembered: Remembered,
    /// Who paid.
    pub payer: Payer,
}

/// An accepted payment: the service may begin.
#[derive(Debug)]
pub struct Accepted {
    /// What is reserved.
    pub reservation: Reservation,
    /// When that is durable. Nothing of the service may leave before.
    pub durable: Ticket,
    /// Who pays.
    pub payer: Payer,
    /// Hash of what was asked, for the receipt.
    pub request_digest: [u8; 32],
    /// Which of the quotes it pays.
    pub chosen: usize,
}

/// Accepts payments.
#[derive(Debug)]
pub struct Payments {
    offer: Offer,
    durable_ledger: Arc<DurableLedger>,
    channels: Arc<Channels>,
    signers: Signers,
}

impl Payments {
    /// A gateway for one offer.
    #[must_use]
    pub fn new(offer: Offer, durable_ledger: Arc<DurableLedger>, channels: Arc<Channels>) -> Self {
        Self {
            offer,
            durable_ledger,
            channels,
            signers: Signers::default(),
        }
    }

    /// What is sold.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether the store failed.
    #[must_use]
    pub fn store_has_failed(&self) -> bool {
        self.durable_ledger.has_failed()
    }

    /// Accepts a payment for a quote and reserves its maximum, or waits for what an earlier request with the same key
    /// came to.
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
                // If it was charged nothing, this request takes its place.
                Err(Earlier::InFlight(id)) => self.durable_ledger.ended(id).await,
            }
        }
    }

    /// Reserves, unless the same request came before.
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
