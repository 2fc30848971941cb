//! Held payments: payments for requests that another seller's server serves. They are held for that server, and
//! charged once, when it settles them.
//!
//! Looking for an earlier payment, accepting and charging happen under one lock, so that of two concurrent calls
//! exactly one is first.

use std::sync::Arc;

use farthing_protocol::BaseUnits;

use super::{DurableLedger, ReserveError};
use crate::ledger::{ChannelFacts, Decision, Earlier, Refusal, VerifiedVoucher};
use crate::record::{
    LaneKey, LaneSnapshot, OutcomeRecord, ReceiptRecord, Remembered, RequestKey, ReservationId,
};
use crate::store::{StoreFailed, Ticket};

/// A payment to hold.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// The most that it may be charged.
    pub maximum: BaseUnits,
    /// Identifies the payment when it is verified or settled again.
    pub request: RequestKey,
    /// For how many seconds it is held before it is released.
    pub seconds: u32,
    /// The most payments that may be held at the same time.
    pub max_held: usize,
}

/// Why a payment is not held. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The limit of held payments is reached.
    #[error("too many verified payments are not settled yet: try again later")]
    TooMany,
    /// It cannot be reserved.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
}

/// The result of charging a payment.
#[derive(Debug)]
pub enum Charged {
    /// The payment was charged now, or released if the amount is zero: the lane's figures afterwards, and the ticket
    /// that says when this is durable.
    New(LaneSnapshot, Ticket),
    /// The payment was charged the same amount before; nothing was charged now.
    Before(ReservationId, OutcomeRecord),
}

/// Why a payment is not charged. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// The payment was charged another amount before.
    #[error("this payment was already settled, for {charged} base units")]
    ChargedBefore {
        /// What it was charged.
        charged: BaseUnits,
    },
    /// The amount exceeds the maximum that is held.
    #[error("this payment was verified for at most {maximum} base units")]
    AboveMaximum {
        /// The maximum that is held.
        maximum: BaseUnits,
    },
    /// The payment is not held, and its lane does not accept a charge without a hold.
    #[error("this payment is not held")]
    NotHeld,
    /// A payment that is not held is reserved before it is charged, and that failed.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
}

impl From<Refusal> for ChargeError {
    fn from(refusal: Refusal) -> Self {
        Self::Reserve(refusal.into())
    }
}

impl DurableLedger {
    /// Reserves the maximum of a payment for a seller's server, and holds it until it is charged or released. The
    /// server may serve the request once the ticket says that the hold is durable.
    ///
    /// # Errors
    /// [`HoldError`]; a payment that is or was held is refused as used, because it pays for one request only.
    pub fn hold(
        &self,
        facts: &Arc<ChannelFacts>,
        voucher: &VerifiedVoucher,
        hold: &Hold,
    ) -> Result<Ticket, HoldError> {
        self.release_expired();
        self.require_writer().map_err(ReserveError::Store)?;
        let now = self.clock.now();
        let mut shared = self.lock();
        let ledger = &mut shared.ledger;
        if ledger.held() >= hold.max_held {
            return Err(HoldError::TooMany);
        }
        let earlier = ledger
            .earlier(&hold.request)
            .map_err(ReserveError::Refused)?;
        if earlier.is_some() {
            return Err(ReserveError::Refused(Refusal::VoucherUsed).into());
        }
        let Decision {
            reservation,
            mut records,
            ..
        } = ledger
            .accept(facts, voucher, hold.maximum, Some(hold.request), now)
            .map_err(ReserveError::Refused)?;
        records.extend(ledger.hold(reservation, hold.seconds, now));
        Ok(self.writer.enqueue(records))
    }

    /// Charges a payment once. A held payment is charged; one that was charged the same amount before is not charged
    /// again; one that was never held is reserved and charged if `accepting` has the facts of a lane that accepts
    /// vouchers. `draft` is what the receipt says beside its figures.
    ///
    /// # Errors
    /// [`ChargeError`].
    pub fn charge(
        &self,
        facts: &ChannelFacts,
        accepting: Option<&Arc<ChannelFacts>>,
        voucher: &VerifiedVoucher,
        request: RequestKey,
        amount: BaseUnits,
        draft: ReceiptRecord,
    ) -> Result<Charged, ChargeError> {
        self.release_expired();
        let now = self.clock.now();
        let mut shared = self.lock();
        let earlier = shared.ledger.earlier(&request)?;
        let (id, mut records) = match earlier {
            Some(Earlier::Ended(id, outcome)) if outcome.charged == amount => {
                return Ok(Charged::Before(id, outcome));
            }
            Some(Earlier::Ended(_, outcome)) => {
                let charged = outcome.charged;
                return Err(ChargeError::ChargedBefore { charged });
            }
            Some(Earlier::InFlight(id)) => {
                let maximum = shared.ledger.held_maximum(id);
                let maximum = maximum.ok_or(Refusal::VoucherUsed)?;
                if amount > maximum {
                    return Err(ChargeError::AboveMaximum { maximum });
                }
                (id, Vec::new())
            }
            // Not held, and the amount is zero: there is nothing to do.
            None if amount == BaseUnits::ZERO => {
                let lane = shared.ledger.lane(facts, LaneKey::of(&voucher.voucher));
                let lane = lane.ok_or(Refusal::LaneUnknown)?;
                return Ok(Charged::New(lane, self.writer.enqueue(Vec::new())));
            }
            None => {
                let facts = accepting.ok_or(ChargeError::NotHeld)?;
                self.require_writer().map_err(ReserveError::Store)?;
                let ledger = &mut shared.ledger;
                let accepted = ledger.accept(facts, voucher, amount, Some(request), now)?;
                (accepted.reservation, accepted.records)
            }
        };
        let remembered = Remembered {
            answer: None,
            receipt: Some(draft),
        };
        let charged = shared.ledger.complete(id, amount, remembered, now);
        let charged = charged.ok_or(ReserveError::Store(StoreFailed))?;
        records.extend(charged.records);
        Ok(Charged::New(charged.lane, self.writer.enqueue(records)))
    }

    /// Releases the held payments that have timed out.
    pub fn release_expired(&self) {
        let mut shared = self.lock();
        let records = shared.ledger.release_expired(self.clock.now());
        if !records.is_empty() {
            tracing::info!(
                "released payments that were verified but not settled before their timeout"
            );
            // Nobody waits for the release; it becomes durable in the order of the queue.
            let _ = self.writer.enqueue(records);
        }
    }
}
