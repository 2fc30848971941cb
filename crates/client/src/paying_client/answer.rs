//! A provider's answer, and its receipt.

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::IDEMPOTENT_REPLAYED;
use farthing_wire::x402::{PaymentState, ReceiptExtra};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::PayError;
use super::in_flight::InFlight;
use super::notary::{DisputedReceipt, SignedReceipt};
use super::receipt_header::receipt_header;
use super::receipt_scanner::ReceiptScanner;
use super::retryable::RetryableRequest;
use super::seen::{Differs, Seen};

/// Longest answer that [`PaidAnswer::finish`] reads, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Reason of a lost answer: the provider's answer to a retry does not begin with what was already received.
const DIFFERS: &str = "the provider gave a different answer to the retry";

/// What a request was finally charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What the request cost, in base units.
    pub charged: BaseUnits,
    /// The most that the request could have cost.
    pub maximum: BaseUnits,
    /// What the lane was charged in total.
    pub charged_total: BaseUnits,
    /// The sum of the maxima of the lane's in-flight requests at that moment.
    pub reserved: BaseUnits,
    /// The lane's highest ceiling.
    pub authorized: BaseUnits,
    /// The channel's deposit.
    pub deposit: BaseUnits,
    /// The receipt as signed by the settler, verified; `None` if the provider does not sign receipts, or no settler is
    /// configured.
    pub signed: Option<Box<SignedReceipt>>,
}

/// An answer that is read as it arrives. If the connection breaks, the request is retried to get the rest.
#[derive(Debug)]
pub struct PaidAnswer {
    status: StatusCode,
    content_type: Option<String>,
    is_stream: bool,
    response: Response,
    payment: Payment,
    /// The request to retry; `None` if nothing was paid.
    retryable: Option<Box<RetryableRequest>>,
    seen: Seen,
    scanner: ReceiptScanner,
}

/// State of the payment.
#[derive(Debug)]
enum Payment {
    /// Nothing was signed.
    None,
    /// The payment ended: with a receipt, or without one if nothing was charged or the charge is unknown.
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
    /// The provider's headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What the request cost; `None` if no voucher was signed, or no receipt arrived.
    pub receipt: Option<Receipt>,
}

impl PaidAnswer {
    pub(super) fn unpaid(response: Response) -> Self {
        Self::new(response, Payment::None, None)
    }

    /// An answer to a paid request. Ends the reservation if the headers tell the outcome of the payment.
    pub(super) fn paid(
        response: Response,
        in_flight: InFlight,
        retryable: RetryableRequest,
    ) -> Result<Self, PayError> {
        let payment = match receipt_header(response.headers()) {
            Some(extra) if extra.state == PaymentState::Charged => {
                let is_older = is_replay(response.headers()) && retryable.may_be_older();
                Payment::Done(Some(if is_older {
                    settle_older(in_flight, &extra, &retryable)?
                } else {
                    settle(in_flight, &extra, &retryable)?
                }))
            }
            Some(_) => Payment::Pending(in_flight),
            // The request was refused before its payment was checked, or together with it: nothing was charged.
            None if response.status().is_client_error() && !retryable.was_repeated() => {
                in_flight.refused();
                Payment::Done(None)
            }
            // What a failing server charged is unknown: dropping the reservation counts it as spent.
            None => Payment::Done(None),
        };
        let answer = Self::new(response, payment, Some(Box::new(retryable)));
        if answer.status == StatusCode::GONE
            && answer
                .charged()
                .is_some_and(|charged| charged > BaseUnits::ZERO)
        {
            return Err(answer.lost("the provider no longer stores it"));
        }
        Ok(answer)
    }

    fn new(response: Response, payment: Payment, retryable: Option<Box<RetryableRequest>>) -> Self {
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
            retryable,
            seen: Seen::default(),
            scanner: ReceiptScanner::default(),
        }
    }

    /// HTTP status. Anything but 2xx is the provider's or its upstream's error, in the body.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The provider's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
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

    /// The receipt, as soon as it has arrived: with the headers, or at the end of a stream.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match &self.payment {
            Payment::Done(receipt) => receipt.as_ref(),
            Payment::None | Payment::Pending(_) => None,
        }
    }

    /// The next part of the body, or `None` at its end, when the receipt is known. The comment with the receipt is
    /// taken out of a stream. A stream that the provider broke off ends with an error event, as those of OpenAI do.
    ///
    /// # Errors [`PayError::AnswerLost`] if the connection breaks and retrying does not help, [`PayError::Receipt`] and
    /// [`PayError::SignedReceipt`] if the receipt is not trusted.
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

    /// Handles the end of the body: returns the bytes that were held back, then `None`.
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
        if let (Payment::Pending(in_flight), Some(retryable)) = (payment, &self.retryable) {
            self.payment = Payment::Done(Some(settle(in_flight, extra, retryable)?));
        }
        Ok(())
    }

    /// Retries after the connection broke. The new answer must begin with what was already received.
    async fn resume(&mut self, error: reqwest::Error) -> Result<(), PayError> {
        let charged = self.charged();
        let Some(retryable) = &mut self.retryable else {
            return Err(PayError::transport(error));
        };
        let response = retryable.retry(error, charged).await?;
        if let Some(extra) = receipt_header(response.headers())
            && extra.state == PaymentState::Charged
            && matches!(self.payment, Payment::Pending(_))
        {
            self.end_payment(&extra)?;
        }
        if response.status() != self.status {
            let status = response.status();
            return Err(self.lost(&format!("the provider answered the retry with {status}")));
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
        match &self.retryable {
            Some(retryable) => retryable.lost(reason.to_owned(), self.charged()),
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
            headers: self.response.headers().clone(),
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

/// Ends the reservation with a receipt. If the receipt is disputed, the maximum counts as spent.
fn settle(
    in_flight: InFlight,
    extra: &ReceiptExtra,
    retryable: &RetryableRequest,
) -> Result<Receipt, PayError> {
    let receipt = receipt(&in_flight, extra, retryable)?;
    in_flight.settled(extra)?;
    Ok(receipt)
}

/// Ends the reservation with the receipt of an earlier request, which used the idempotency key that the caller chose.
fn settle_older(
    in_flight: InFlight,
    extra: &ReceiptExtra,
    retryable: &RetryableRequest,
) -> Result<Receipt, PayError> {
    let receipt = receipt(&in_flight, extra, retryable)?;
    if !retryable.was_repeated() {
        // The answer is that of a request sent earlier, so this request's voucher has bought nothing.
        in_flight.refused();
    } else if let Err(error) = in_flight.settled(extra) {
        // The receipt may be for a voucher that this lane does not know. The maximum counts as spent until a later
        // receipt resolves it.
        tracing::debug!(%error, "cannot apply the receipt of an earlier request, its maximum counts as spent");
    }
    Ok(receipt)
}

fn receipt(
    in_flight: &InFlight,
    extra: &ReceiptExtra,
    retryable: &RetryableRequest,
) -> Result<Receipt, DisputedReceipt> {
    Ok(Receipt {
        signed: retryable.notary().check(extra)?,
        charged: extra.charged,
        maximum: in_flight.maximum(),
        charged_total: extra.charged_total,
        reserved: extra.reserved,
        authorized: extra.authorized,
        deposit: extra.deposit,
    })
}
