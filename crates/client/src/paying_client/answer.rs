//! What a provider answers, and the receipt that belongs to it.

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::IDEMPOTENT_REPLAYED;
use farthing_wire::x402::{PaymentState, ReceiptExtra};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::PayError;
use super::in_flight::InFlight;
use super::notary::{DisputedReceipt, SignedReceipt};
use super::question::Question;
use super::receipt_header::receipt_header;
use super::receipt_scanner::ReceiptScanner;
use super::seen::{Differs, Seen};

/// Longest answer that [`PaidAnswer::finish`] keeps, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why the rest of an answer is none.
const DIFFERS: &str = "asked again, the provider gave another answer";

/// What a request was charged in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What the request cost, in base units.
    pub charged: BaseUnits,
    /// What it could have cost at most.
    pub maximum: BaseUnits,
    /// What the lane was charged in total.
    pub charged_total: BaseUnits,
    /// The lane's maxima in flight at that moment.
    pub reserved: BaseUnits,
    /// The lane's highest ceiling.
    pub authorized: BaseUnits,
    /// The channel's deposit.
    pub deposit: BaseUnits,
    /// The same as the provider's settler signed it, checked; none if it does not sign, or the settler is not known.
    pub signed: Option<Box<SignedReceipt>>,
}

/// An answer, as it arrives. If the connection breaks, the rest is asked for again.
#[derive(Debug)]
pub struct PaidAnswer {
    status: StatusCode,
    content_type: Option<String>,
    is_stream: bool,
    response: Response,
    payment: Payment,
    /// What to ask again; nothing if nothing was paid.
    question: Option<Box<Question>>,
    seen: Seen,
    scanner: ReceiptScanner,
}

/// How far the payment is.
#[derive(Debug)]
enum Payment {
    /// Nothing was signed.
    None,
    /// The receipt has come, or nothing was charged.
    Done(Option<Receipt>),
    /// The receipt comes within the stream.
    Pending(InFlight),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedAnswer {
    /// HTTP status.
    pub status: u16,
    /// Type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
    /// What it cost; none if nothing was signed, or a stream was cut off before its receipt.
    pub receipt: Option<Receipt>,
}

impl PaidAnswer {
    pub(super) fn unpaid(response: Response) -> Self {
        Self::new(response, Payment::None, None)
    }

    /// An answer to a paid request. Ends the reservation if the headers tell how.
    pub(super) fn paid(
        response: Response,
        in_flight: InFlight,
        question: Question,
    ) -> Result<Self, PayError> {
        let payment = match receipt_header(response.headers()) {
            Some(extra) if extra.state == PaymentState::Charged => {
                let is_older = is_replay(response.headers()) && question.may_be_older();
                Payment::Done(Some(if is_older {
                    settle_older(in_flight, &extra, &question)?
                } else {
                    settle(in_flight, &extra, &question)?
                }))
            }
            Some(_) => Payment::Pending(in_flight),
            // The request was refused before its payment was looked at, or together with it.
            None if response.status().is_client_error() && !question.was_repeated() => {
                in_flight.refused();
                Payment::Done(None)
            }
            // What a failing server charged is unknown: dropping the reservation counts it as spent.
            None => Payment::Done(None),
        };
        let answer = Self::new(response, payment, Some(Box::new(question)));
        if answer.status == StatusCode::GONE
            && answer
                .charged()
                .is_some_and(|charged| charged > BaseUnits::ZERO)
        {
            return Err(answer.lost("the provider does not keep it any longer"));
        }
        Ok(answer)
    }

    fn new(response: Response, payment: Payment, question: Option<Box<Question>>) -> Self {
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Self {
            status: response.status(),
            is_stream: content_type
                .as_deref()
                .is_some_and(|kind| kind.starts_with("text/event-stream")),
            content_type,
            response,
            payment,
            question,
            seen: Seen::default(),
            scanner: ReceiptScanner::default(),
        }
    }

    /// HTTP status. Anything but 2xx is the provider's or its upstream's error, in the body.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Whether the body is server-sent events.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// What the request cost, as soon as that is known: with the headers, or at the end of a stream.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match &self.payment {
            Payment::Done(receipt) => receipt.as_ref(),
            Payment::None | Payment::Pending(_) => None,
        }
    }

    /// The next part of the body, or `None` at its end, when the receipt is known. A stream comes without the comment
    /// that is its receipt. One that its provider broke off ends with an event that is an error, as those of OpenAI do.
    ///
    /// # Errors
    /// [`PayError::AnswerLost`] if the connection breaks and asking again does not help, [`PayError::Receipt`] if the
    /// receipt is not believed.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, PayError> {
        loop {
            let chunk = match self.response.chunk().await {
                Ok(Some(chunk)) if self.is_stream => self.scanner.push(&chunk),
                Ok(Some(chunk)) => chunk,
                Ok(None) => return self.end(),
                Err(error) => {
                    self.resume(error).await?;
                    continue;
                }
            };
            let unseen = self.unseen(chunk)?;
            self.settle_stream()?;
            if !unseen.is_empty() {
                return Ok(Some(unseen));
            }
        }
    }

    /// The end of the body: what was held of it, then nothing.
    fn end(&mut self) -> Result<Option<Bytes>, PayError> {
        let held = self.scanner.end();
        let unseen = self.unseen(held)?;
        self.settle_stream()?;
        if !unseen.is_empty() {
            return Ok(Some(unseen));
        }
        if self.seen.is_behind() {
            return Err(self.lost(DIFFERS));
        }
        if matches!(self.payment, Payment::Pending(_)) {
            // Without a receipt the maximum counts as spent.
            self.payment = Payment::Done(None);
        }
        Ok(None)
    }

    fn unseen(&mut self, chunk: Bytes) -> Result<Bytes, PayError> {
        self.seen
            .unseen(chunk)
            .map_err(|Differs| self.lost(DIFFERS))
    }

    /// Ends the reservation once the receipt has come within the stream.
    fn settle_stream(&mut self) -> Result<(), PayError> {
        let Some(extra) = self
            .scanner
            .take_receipt()
            .and_then(|receipt| receipt.extra)
        else {
            return Ok(());
        };
        if extra.state == PaymentState::Charged && matches!(self.payment, Payment::Pending(_)) {
            self.end_payment(&extra)?;
        }
        Ok(())
    }

    fn end_payment(&mut self, extra: &ReceiptExtra) -> Result<(), PayError> {
        let payment = std::mem::replace(&mut self.payment, Payment::Done(None));
        if let (Payment::Pending(in_flight), Some(question)) = (payment, &self.question) {
            self.payment = Payment::Done(Some(settle(in_flight, extra, question)?));
        }
        Ok(())
    }

    /// Asks again after the connection broke, for an answer that begins as this one.
    async fn resume(&mut self, error: reqwest::Error) -> Result<(), PayError> {
        let charged = self.charged();
        let Some(question) = &mut self.question else {
            return Err(PayError::transport(error));
        };
        let response = question.ask_again(error, charged).await?;
        if let Some(extra) = receipt_header(response.headers())
            && extra.state == PaymentState::Charged
            && matches!(self.payment, Payment::Pending(_))
        {
            self.end_payment(&extra)?;
        }
        if response.status() != self.status {
            let status = response.status();
            return Err(self.lost(&format!("asked again, the provider answered {status}")));
        }
        self.response = response;
        self.scanner = ReceiptScanner::default();
        self.seen.begin_again();
        Ok(())
    }

    fn charged(&self) -> Option<BaseUnits> {
        self.receipt().map(|receipt| receipt.charged)
    }

    fn lost(&self, reason: &str) -> PayError {
        match &self.question {
            Some(question) => question.lost(reason.to_owned(), self.charged()),
            None => PayError::Transport(reason.to_owned()),
        }
    }

    /// Reads the whole answer.
    ///
    /// # Errors
    /// Those of [`Self::next_chunk`], and [`PayError::AnswerTooLong`].
    pub async fn finish(mut self) -> Result<FinishedAnswer, PayError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next_chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(PayError::AnswerTooLong(MAX_ANSWER_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(FinishedAnswer {
            status: self.status(),
            receipt: self.receipt().cloned(),
            content_type: self.content_type,
            body: body.into(),
        })
    }

    /// An error unless the status is 2xx.
    pub(super) async fn status_error(self) -> Result<(), PayError> {
        if self.is_success() {
            return Ok(());
        }
        let answer = self.finish().await?;
        Err(PayError::unexpected(answer.status, &answer.body))
    }
}

fn is_replay(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENT_REPLAYED)
}

/// A receipt that is disputed leaves the maximum as spent.
fn settle(
    in_flight: InFlight,
    extra: &ReceiptExtra,
    question: &Question,
) -> Result<Receipt, PayError> {
    let receipt = receipt(&in_flight, extra, question)?;
    in_flight.settled(extra)?;
    Ok(receipt)
}

/// The caller chose the key, and somebody has asked with it before.
fn settle_older(
    in_flight: InFlight,
    extra: &ReceiptExtra,
    question: &Question,
) -> Result<Receipt, PayError> {
    let receipt = receipt(&in_flight, extra, question)?;
    if !question.was_repeated() {
        // Before this began, so that the voucher has bought nothing.
        in_flight.refused();
    } else if let Err(error) = in_flight.settled(extra) {
        // The receipt may be that of a voucher that this lane does not know of. The maximum counts until a later
        // receipt tells.
        tracing::debug!(%error, "the receipt of an earlier request");
    }
    Ok(receipt)
}

fn receipt(
    in_flight: &InFlight,
    extra: &ReceiptExtra,
    question: &Question,
) -> Result<Receipt, DisputedReceipt> {
    Ok(Receipt {
        signed: question.notary().check(extra)?,
        charged: extra.charged,
        maximum: in_flight.maximum(),
        charged_total: extra.charged_total,
        reserved: extra.reserved,
        authorized: extra.authorized,
        deposit: extra.deposit,
    })
}
