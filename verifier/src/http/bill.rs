//! What one request owes while it runs: nothing, or a reservation that ends in a charge.

use std::sync::Arc;

use farthing_client::pricing::{ModelPrice, Quote, Usage};
use farthing_client::receipt::{CountedBy, CountedUsage, Sold};
use farthing_client::x402::SettleResponse;
use farthing_protocol::BaseUnits;
use serde_json::Value;

use super::challenge::{Final, PaymentHeaders, receipt};
use super::error::ApiError;
use super::meter;
use crate::books::Reservation;
use crate::crash_point::CrashPoint;
use crate::gateway::Accepted;
use crate::receipts::{Charge, Issuer, Payer};
use crate::store::{AnswerRecord, Remembered, StoreFailed, Ticket};

/// Bytes of text that are about a token, where a count would take too long.
pub(crate) const BYTES_PER_TOKEN: u64 = 4;

/// What a request owes.
#[derive(Debug)]
pub(crate) enum Bill {
    /// Nothing.
    Free,
    /// A charge up to what is reserved.
    Paid(Box<PaidBill>),
}

#[derive(Debug)]
pub(crate) struct PaidBill {
    reservation: Reservation,
    reserved: Option<Ticket>,
    payer: Payer,
    /// Hash of what was asked.
    request: [u8; 32],
    issuer: Arc<Issuer>,
    tariff: Tariff,
}

/// Turns tokens, counted or estimated, into a charge.
#[derive(Debug)]
struct Tariff {
    model: String,
    price: ModelPrice,
    maximum: BaseUnits,
    bounds: Usage,
    /// What was asked, to be counted if the upstream does not.
    body: Arc<Value>,
}

impl Tariff {
    fn charge(&self, usage: Option<Usage>) -> BaseUnits {
        usage.map_or(BaseUnits::ZERO, |usage| {
            self.price.charge(usage, self.maximum)
        })
    }

    /// What a receipt says of a service, if there was one.
    fn sold(&self, usage: Option<Usage>, counted_by: CountedBy) -> Option<Sold> {
        usage.map(|usage| Sold {
            model: self.model.clone(),
            usage: CountedUsage::new(usage, counted_by),
            price: self.price,
            maximum: self.maximum,
        })
    }

    /// What was used, at a glance: the bound counts bytes, and a quarter of it is near. For charges that are
    /// replaced by a better one, unless the client or this process is gone.
    fn glance(&self, produced: Produced) -> Option<Usage> {
        let input = self.bounds.prompt_tokens.div_ceil(BYTES_PER_TOKEN);
        produced.with_input(|| input)
    }

    /// What was used, counted.
    fn count(&self, produced: Produced) -> Option<Usage> {
        produced.with_input(|| {
            let counted = meter::of_input(&self.body, self.price.tokens_per_image);
            counted.min(self.bounds.prompt_tokens)
        })
    }
}

/// What an upstream made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Produced {
    /// Nothing: it failed.
    Nothing,
    /// What it counted itself.
    Counted(Usage),
    /// So many tokens, counted here. The input counts as well.
    Estimated(u64),
}

impl Produced {
    fn counted_by(self) -> CountedBy {
        match self {
            Self::Counted(_) => CountedBy::Upstream,
            Self::Nothing | Self::Estimated(_) => CountedBy::Estimate,
        }
    }

    fn with_input(self, input: impl FnOnce() -> u64) -> Option<Usage> {
        match self {
            Self::Nothing => None,
            Self::Counted(usage) => Some(usage),
            Self::Estimated(completion_tokens) => Some(Usage {
                prompt_tokens: input(),
                completion_tokens,
                ..Usage::default()
            }),
        }
    }
}

impl Bill {
    /// `request` is the hash of what was asked, `body` what is sent upstream.
    pub(crate) fn paid(
        accepted: Accepted,
        quote: &Quote,
        request: [u8; 32],
        body: Arc<Value>,
        issuer: &Arc<Issuer>,
    ) -> Self {
        Self::Paid(Box::new(PaidBill {
            reservation: accepted.reservation,
            reserved: Some(accepted.durable),
            payer: accepted.payer,
            request,
            issuer: Arc::clone(issuer),
            tariff: Tariff {
                model: quote.model.clone(),
                price: quote.price,
                maximum: quote.maximum,
                bounds: quote.bounds,
                body,
            },
        }))
    }

    /// Whether the client may ask again, so that the answer is worth keeping.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::Free => false,
            Self::Paid(bill) => bill.reservation.has_key(),
        }
    }

    /// What to charge if the client goes away now.
    pub(crate) fn if_dropped(&mut self, produced: Produced) {
        if let Self::Paid(bill) = self {
            let charge = bill.tariff.charge(bill.tariff.glance(produced));
            bill.reservation.if_dropped(charge);
        }
    }

    /// Waits until the reservation is durable, so that the answer may begin; the header that says so.
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

    /// Writes down what [`Self::if_dropped`] said last, for the case of a crash.
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

    /// Charges for what was produced, keeps the answer for whoever asks again, and waits until that is
    /// durable. `None` if the request was free.
    pub(crate) async fn settle(
        self,
        produced: Produced,
        answer: Option<AnswerRecord>,
    ) -> Result<Option<SettleResponse>, StoreFailed> {
        let Self::Paid(bill) = self else {
            return Ok(None);
        };
        let usage = bill.tariff.count(produced);
        let charged = bill.tariff.charge(usage);
        let sold = bill.tariff.sold(usage, produced.counted_by());
        let draft = sold.map(|sold| bill.issuer.draft(&sold));
        let remembered = Remembered {
            answer,
            receipt: draft.clone().filter(|_| bill.reservation.has_key()),
        };
        let (lane, ticket) = bill.reservation.complete(charged, remembered)?;
        CrashPoint::ChargeQueued.pass();
        ticket.durable().await?;
        CrashPoint::ChargeDurable.pass();
        let charge = Charge {
            request: bill.request,
            charged,
            charged_total: lane.charged,
        };
        let end = Final {
            charged,
            receipt: bill.issuer.issue(&bill.payer, &charge, draft.as_ref()),
        };
        let network = bill.issuer.network();
        Ok(Some(receipt(network, &bill.payer.key, &lane, Some(end))))
    }

    /// The same for an answer whose headers have not been sent yet.
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

    /// Ends the request with an error of the upstream: nothing is charged, and the error says so.
    pub(crate) async fn fail(self, error: ApiError) -> ApiError {
        match self.settle_with_headers(Produced::Nothing, None).await {
            Ok(headers) => error.with_headers(headers),
            Err(store_failed) => store_failed,
        }
    }
}
