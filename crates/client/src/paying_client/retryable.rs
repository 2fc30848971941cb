//! A paid request that can be retried: the same bytes with the same idempotency key and the same voucher.
//!
//! The key makes a provider return the same answer without a second charge. A provider that does not support
//! idempotency keys refuses a voucher that has bought something, so a retry is safe with any provider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::{IDEMPOTENCY_KEY, IdempotencyKey};
use farthing_wire::x402::PAYMENT_SIGNATURE;
use rand::Rng;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::PayError;
use super::notary::Notary;
use super::receipt_header::receipt_header;

/// Maximum number of retries. The pauses between them add up to at most 13 seconds, in which a provider may have
/// restarted.
const MAX_REPEATS: u32 = 8;
/// The pause before the first retry. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Why a request has no answer.
pub(super) enum Unanswered {
    /// The connection was not established, so nothing was sent.
    NotAsked(PayError),
    /// The request was sent; whether it was served is unknown.
    Lost(PayError),
}

/// A request, with the idempotency key by which the provider recognises a retry.
#[derive(Debug, Clone)]
pub(super) struct OutgoingRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The expected content of the receipt.
    pub(super) notary: Arc<Notary>,
    pub(super) key: IdempotencyKey,
    /// Whether the caller chose the idempotency key, and so may have sent the same request earlier.
    pub(super) key_is_the_callers: bool,
}

/// A paid request, with its voucher.
#[derive(Debug)]
pub(super) struct RetryableRequest {
    http: reqwest::Client,
    outgoing: OutgoingRequest,
    payment: HeaderValue,
    repeats: u32,
}

impl RetryableRequest {
    pub(super) const fn new(
        http: reqwest::Client,
        outgoing: OutgoingRequest,
        payment: HeaderValue,
    ) -> Self {
        Self {
            http,
            outgoing,
            payment,
            repeats: 0,
        }
    }

    /// Whether the request was retried.
    pub(super) const fn was_repeated(&self) -> bool {
        self.repeats > 0
    }

    /// The expected content of the receipt.
    pub(super) fn notary(&self) -> &Notary {
        &self.outgoing.notary
    }

    /// Whether the caller may have sent the same request earlier, with an idempotency key that it chose.
    pub(super) const fn may_be_older(&self) -> bool {
        self.outgoing.key_is_the_callers
    }

    /// Sends the request, and retries if the connection breaks before the answer begins.
    pub(super) async fn ask(&mut self) -> Result<Response, Unanswered> {
        match self.send().await {
            Ok(response) => Ok(response),
            Err(error) if error.is_connect() => {
                Err(Unanswered::NotAsked(PayError::transport(error)))
            }
            Err(error) => self.retry(error, None).await.map_err(Unanswered::Lost),
        }
    }

    /// Retries after the connection broke. `charged` is what the request cost, if that is known.
    ///
    /// # Errors
    /// [`PayError::AnswerLost`] if no retry succeeds.
    pub(super) async fn retry(
        &mut self,
        mut cause: reqwest::Error,
        charged: Option<BaseUnits>,
    ) -> Result<Response, PayError> {
        // No retry after a timeout: a provider that is silent for that long has more trouble than a broken connection.
        while self.repeats < MAX_REPEATS && !cause.is_timeout() {
            tokio::time::sleep(pause(self.repeats)).await;
            self.repeats += 1;
            match self.send().await {
                Ok(response) => match unavailable(&response) {
                    Some(error) => cause = error,
                    None => return Ok(response),
                },
                Err(error) => cause = error,
            }
        }
        Err(self.lost(PayError::describe(cause), charged))
    }

    /// The error that the answer was lost.
    pub(super) fn lost(&self, reason: String, charged: Option<BaseUnits>) -> PayError {
        PayError::AnswerLost {
            reason,
            key: self.outgoing.key.clone(),
            charged,
        }
    }

    async fn send(&self) -> Result<Response, reqwest::Error> {
        let key = HeaderName::from_static(IDEMPOTENCY_KEY);
        let payment = HeaderName::from_static(PAYMENT_SIGNATURE);
        let request = self.outgoing.to(&self.http);
        let request = request.header(key, self.outgoing.key.as_str());
        request.header(payment, self.payment.clone()).send().await
    }
}

impl OutgoingRequest {
    /// The request without a payment.
    pub(super) fn to(&self, http: &reqwest::Client) -> RequestBuilder {
        let request = http.request(self.method.clone(), self.url.clone());
        let request = request.headers(self.headers.clone());
        if self.body.is_empty() {
            request
        } else {
            request.body(self.body.clone())
        }
    }
}

/// The error of a 503 without a receipt, which is retried: a provider that starts, stops or is overloaded does not say
/// whether it served the request before.
fn unavailable(response: &Response) -> Option<reqwest::Error> {
    let is_unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE
        && receipt_header(response.headers()).is_none();
    is_unavailable
        .then(|| response.error_for_status_ref().err())
        .flatten()
}

/// The pause before a retry. It is shortened at random by up to half, so that clients that were disconnected together
/// do not all retry at the same time.
fn pause(repeats: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.pow(repeats);
    longest.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
}
