//! What a provider answers, and the receipt that belongs to it.

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::PayError;
use super::in_flight::InFlight;
use super::receipt_scanner::ReceiptScanner;
use crate::x402::{PAYMENT_RESPONSE, PaymentState, ReceiptExtra, SettleResponse, decode_header};

/// Longest answer that [`PaidAnswer::finish`] keeps, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Longest part of an unexpected answer that an error shows, in characters.
const MAX_SHOWN: usize = 500;

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
}

/// An answer, as it arrives.
#[derive(Debug)]
pub struct PaidAnswer {
    status: StatusCode,
    content_type: Option<String>,
    is_stream: bool,
    response: Response,
    payment: Payment,
}

/// How far the payment is.
#[derive(Debug)]
enum Payment {
    /// Nothing was signed.
    None,
    /// The receipt was in the headers, or nothing was charged.
    Done(Option<Receipt>),
    /// The receipt comes within the stream.
    Pending(Box<Pending>),
}

#[derive(Debug)]
struct Pending {
    in_flight: InFlight,
    scanner: ReceiptScanner,
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
        Self::new(response, Payment::None)
    }

    /// An answer to a paid request. Ends the reservation if the headers tell how.
    pub(super) async fn paid(response: Response, in_flight: InFlight) -> Result<Self, PayError> {
        let status = response.status();
        let payment = match receipt_header(response.headers()) {
            Some(extra) if extra.state == PaymentState::Charged => {
                Payment::Done(Some(settle(in_flight, &extra)?))
            }
            Some(_) => Payment::Pending(Box::new(Pending {
                in_flight,
                scanner: ReceiptScanner::default(),
            })),
            // The request was refused before its payment was looked at, or together with it.
            None if status.is_client_error() => {
                in_flight.refused();
                Payment::Done(None)
            }
            // What a failing server charged is unknown: dropping the reservation counts it as spent.
            None => Payment::Done(None),
        };
        Ok(Self::new(response, payment))
    }

    fn new(response: Response, payment: Payment) -> Self {
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
        }
    }

    /// HTTP status. Anything but 2xx is the provider's or its upstream's error, in the body.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
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

    /// The next part of the body, or `None` at its end, when the receipt is known.
    ///
    /// # Errors
    /// [`PayError::Transport`] if the provider breaks off, [`PayError::Receipt`] if its receipt is not
    /// believed.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, PayError> {
        let chunk = self.response.chunk().await.map_err(PayError::transport)?;
        match (&chunk, &mut self.payment) {
            (Some(chunk), Payment::Pending(pending)) => pending.scanner.push(chunk),
            (None, Payment::Pending(_)) => self.end_stream()?,
            _ => {}
        }
        Ok(chunk)
    }

    fn end_stream(&mut self) -> Result<(), PayError> {
        let pending = std::mem::replace(&mut self.payment, Payment::Done(None));
        if let Payment::Pending(pending) = pending
            && let Some(extra) = pending.scanner.finish().and_then(|response| response.extra)
            && extra.state == PaymentState::Charged
        {
            self.payment = Payment::Done(Some(settle(pending.in_flight, &extra)?));
        }
        Ok(())
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
        Err(PayError::Unexpected {
            status: answer.status,
            body: String::from_utf8_lossy(&answer.body)
                .chars()
                .take(MAX_SHOWN)
                .collect(),
        })
    }
}

fn receipt_header(headers: &HeaderMap) -> Option<ReceiptExtra> {
    let value = headers.get(PAYMENT_RESPONSE)?;
    let response: SettleResponse = decode_header(value.as_bytes()).ok()?;
    response.extra
}

fn settle(in_flight: InFlight, extra: &ReceiptExtra) -> Result<Receipt, PayError> {
    let receipt = Receipt {
        charged: extra.charged,
        maximum: in_flight.maximum(),
        charged_total: extra.charged_total,
        reserved: extra.reserved,
        authorized: extra.authorized,
        deposit: extra.deposit,
    };
    in_flight.settled(extra)?;
    Ok(receipt)
}
