//! Payments for what somebody else serves: held for a seller's server, charged when it asks for that, once.
//!
//! Looking for what came before, accepting and charging happen under one lock, so that of two servers that ask at the
//! same time one is first.

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
    /// How it is known again.
    pub request: RequestKey,
    /// When it is released, in seconds from now.
    pub seconds: u32,
    /// The most payments that may be held at the same time.
    pub max_held: usize,
}

/// Why a payment is not held. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// As many are held as may be.
    #[error("as many payments wait to be settled as may: try again later")]
    TooMany,
    /// It cannot be reserved.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
}

/// What came of charging a payment.
#[derive(Debug)]
pub enum Charged {
    /// It was charged, or released if the charge is nothing. The lane afterwards; that is durable when the ticket says so.
    New(LaneSnapshot, Ticket),
    /// It was charged the same before.
    Before(ReservationId, OutcomeRecord),
}

/// Why a payment is not charged. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// It was charged before, another amount.
    #[error("this payment was settled before, for {charged} base units")]
    ChargedBefore {
        /// What it was charged.
        charged: BaseUnits,
    },
    /// More than is held.
    #[error("this payment was verified for at most {maximum} base units")]
    AboveMaximum {
        /// What is held.
        maximum: BaseUnits,
    },
    /// It is not held, and its lane may not be charged otherwise.
    #[error("this payment is not held")]
    NotHeld,
    /// It cannot be reserved, which is the first half of a charge without a hold.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
}

impl From<Refusal> for ChargeError {
    fn from(refusal: Refusal) -> Self {
        Self::Reserve(refusal.into())
    }
}

impl DurableLedger {
    /// Reserves the maximum of a payment for somebody who serves, and keeps it until it is charged or released. They
    /// may serve once the ticket says that this is durable.
    ///
    /// # Errors
    /// [`HoldError`]; a payment that is or was held is refused as used, because it is served once.
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

    /// Charges a payment, once: what is held, what was charged the same before without another charge, or, if `accepting`
    /// says that its lane may be charged, one that was never held. `draft` is what its receipt says beside the figures.
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
            // Nothing is held and nothing is to be charged: there is nothing to do.
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

    /// Releases held payments whose time is over.
    pub fn release_expired(&self) {
        let mut shared = self.lock();
        let records = shared.ledger.release_expired(self.clock.now());
        if !records.is_empty() {
            tracing::info!("payments that were verified and not settled in time are released");
            // Nobody waits for it; the queue's order makes it durable in its turn.
            let _ = self.writer.enqueue(records);
        }
    }
}
