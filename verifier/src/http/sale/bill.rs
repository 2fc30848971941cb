//! The bill of one request in flight: free, or a reservation that ends in a charge.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::receipt::Sold;
use farthing_wire::x402::SettleResponse;

use super::checkout::Checkout;
use crate::crash_point::CrashPoint;
use crate::durable_ledger::Reservation;
use crate::http::error::ApiError;
use crate::http::x402::payment_headers::PaymentHeaders;
use crate::http::x402::receipt::{FinalCharge, receipt};
use crate::metering::{Cost, Produced, Tariff};
use crate::metrics::{Requests, Served};
use crate::payment::Accepted;
use crate::receipts::{Charge, Draft, Issuer, Payer};
use crate::record::{AnswerRecord, Remembered};
use crate::store::{StoreFailed, Ticket};

/// The bill of a request.
#[derive(Debug)]
pub(crate) enum Bill {
    /// The request is free.
    Free,
    /// The request is charged, at most what is reserved.
    Paid(Box<PaidBill>),
}

#[derive(Debug)]
pub(crate) struct PaidBill {
    reservation: Reservation,
    reserved: Option<Ticket>,
    payer: Payer,
    /// Digest of the request, for the receipt.
    request_digest: [u8; 32],
    issuer: Arc<Issuer>,
    requests: Arc<Requests>,
    tariff: Tariff,
}

impl Bill {
    pub(crate) fn paid(accepted: Accepted, tariff: Tariff, checkout: &Checkout) -> Self {
        Self::Paid(Box::new(PaidBill {
            reservation: accepted.reservation,
            reserved: Some(accepted.durable),
            payer: accepted.payer,
            request_digest: accepted.request_digest,
            issuer: Arc::clone(&checkout.issuer),
            requests: Arc::clone(&checkout.requests),
            tariff,
        }))
    }

    /// Whether the request has an idempotency key, so that its answer is stored for retries.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::Free => false,
            Self::Paid(bill) => bill.reservation.has_key(),
        }
    }

    /// How the request is counted if it is served.
    pub(crate) fn served(&self) -> Served {
        match self {
            Self::Free => Served::Free,
            Self::Paid(_) => Served::Paid,
        }
    }

    /// Sets the amount that is charged if the bill is dropped from here on, as when the client disconnects.
    pub(crate) fn if_dropped(&mut self, produced: &Produced) {
        if let Self::Paid(bill) = self {
            bill.reservation.if_dropped(bill.tariff.glance(produced));
        }
    }

    /// Sets the charge of a plain route; at most what is reserved is charged.
    pub(crate) fn set_charge(&mut self, charge: BaseUnits) {
        if let Self::Paid(bill) = self {
            bill.tariff.set(charge);
        }
    }

    /// Waits until the reservation is durable, so that the answer may begin, and returns the headers that state it.
    pub(crate) async fn reserved(&mut self) -> Result<PaymentHeaders, ApiError> {
        let Self::Paid(bill) = self else {
            return Ok(PaymentHeaders::default());
        };
        if let Some(ticket) = bill.reserved.take() {
            ticket.durable().await?;
            CrashPoint::ReservationDurable.pass();
        }
        let lane = bill.reservation.accepted();
        let receipt = receipt(bill.issuer.network(), &bill.payer.key, lane, None);
        Ok(PaymentHeaders::receipt(&receipt))
    }

    /// Stores the amount last set by [`Self::if_dropped`], so that it is charged after a crash.
    pub(crate) fn checkpoint(&mut self) -> Option<Ticket> {
        match self {
            Self::Free => None,
            Self::Paid(bill) => bill.reservation.checkpoint(),
        }
    }

    pub(crate) fn store_has_failed(&self) -> bool {
        match self {
            Self::Free => false,
            Self::Paid(bill) => bill.reservation.store_has_failed(),
        }
    }

    /// Charges for what was produced, stores the answer for idempotent retries, and waits until both are durable.
    /// `None` if the request was free.
    pub(crate) async fn settle(
        self,
        produced: Produced,
        answer: Option<AnswerRecord>,
    ) -> Result<Option<SettleResponse>, StoreFailed> {
        let Self::Paid(bill) = self else {
            return Ok(None);
        };
        let Cost {
            charge: charged,
            sold,
        } = bill.tariff.cost(&produced);
        let draft = sold.map(|sold| bill.issuer.draft(Some(sold)));
        let kept = draft.as_ref().filter(|_| bill.reservation.has_key());
        let remembered = Remembered {
            answer,
            receipt: kept.map(Draft::record),
        };
        let (lane, ticket) = bill.reservation.complete(charged, remembered)?;
        if let Some(Sold::Tokens(tokens)) = draft.as_ref().and_then(Draft::sold) {
            bill.requests.charged(&tokens.usage);
        }
        CrashPoint::ChargeQueued.pass();
        let durable = ticket.durable();
        // The receipt is signed while the commit is in progress.
        let charge = Charge {
            request: Some(bill.request_digest),
            charged,
            charged_total: lane.charged,
        };
        let end = FinalCharge {
            charged,
            receipt: bill.issuer.issue(&bill.payer, &charge, draft),
        };
        durable.await?;
        CrashPoint::ChargeDurable.pass();
        let network = bill.issuer.network();
        Ok(Some(receipt(network, &bill.payer.key, &lane, Some(end))))
    }

    /// Like [`Self::settle`], but returns the receipt as headers, for an answer whose headers have not been sent yet.
    pub(crate) async fn settle_with_headers(
        self,
        produced: Produced,
        answer: Option<AnswerRecord>,
    ) -> Result<PaymentHeaders, ApiError> {
        let receipt = self.settle(produced, answer).await?;
        Ok(receipt
            .as_ref()
            .map(PaymentHeaders::receipt)
            .unwrap_or_default())
    }

    /// Ends the request with an error of the upstream: nothing is charged, and the error carries a receipt that says
    /// so.
    pub(crate) async fn fail(self, error: ApiError) -> ApiError {
        match self.settle_with_headers(Produced::Nothing, None).await {
            Ok(headers) => error.with_headers(headers),
            Err(store_failed) => store_failed,
        }
    }
}
