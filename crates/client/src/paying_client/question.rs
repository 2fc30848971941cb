//! A paid request that may be asked again: the same bytes with the same key and the same voucher.
//!
//! The key makes a provider give the same answer without a second charge. One that does not know keys refuses a voucher
//! that has bought something, so that asking again is safe whoever is asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::{IDEMPOTENCY_KEY, IdempotencyKey};
use farthing_wire::x402::PAYMENT_SIGNATURE;
use rand::Rng;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::PayError;
use super::notary::Notary;
use super::receipt_header::receipt_header;

/// How often a question is asked again. With the pauses below that takes 13 seconds at most, in which a provider may
/// have restarted.
const MAX_REPEATS: u32 = 8;
/// The pause before the second time. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Why a question has no answer.
pub(super) enum Unanswered {
    /// No connection came about, so that nothing was asked.
    NotAsked(PayError),
    /// Whether it was served is unknown.
    Lost(PayError),
}

/// What is asked, and by which key the provider knows it again.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// What its receipt must say.
    pub(super) notary: Arc<Notary>,
    pub(super) key: IdempotencyKey,
    /// Whether the caller chose the key, and may have asked with it before this began.
    pub(super) key_is_the_callers: bool,
}

/// A paid request.
#[derive(Debug)]
pub(super) struct Question {
    http: reqwest::Client,
    asked: Asked,
    payment: HeaderValue,
    repeats: u32,
}

impl Question {
    pub(super) const fn new(http: reqwest::Client, asked: Asked, payment: HeaderValue) -> Self {
        Self {
            http,
            asked,
            payment,
            repeats: 0,
        }
    }

    /// Whether it was asked more than once.
    pub(super) const fn was_repeated(&self) -> bool {
        self.repeats > 0
    }

    /// What its receipt must say.
    pub(super) fn notary(&self) -> &Notary {
        &self.asked.notary
    }

    /// Whether the caller may have asked it before this began.
    pub(super) const fn may_be_older(&self) -> bool {
        self.asked.key_is_the_callers
    }

    /// Asks, and asks again if the connection breaks before the answer begins.
    pub(super) async fn ask(&mut self) -> Result<Response, Unanswered> {
        match self.send().await {
            Ok(response) => Ok(response),
            Err(error) if error.is_connect() => {
                Err(Unanswered::NotAsked(PayError::transport(error)))
            }
            Err(error) => self.ask_again(error, None).await.map_err(Unanswered::Lost),
        }
    }

    /// Asks again because the connection broke. `charged` is what the request is known to have cost.
    ///
    /// # Errors
    /// [`PayError::AnswerLost`] if it does not help.
    pub(super) async fn ask_again(
        &mut self,
        mut cause: reqwest::Error,
        charged: Option<BaseUnits>,
    ) -> Result<Response, PayError> {
        // A provider that is silent for so long has more trouble than a broken connection.
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

    /// The error that the answer is lost, whatever it was.
    pub(super) fn lost(&self, reason: String, charged: Option<BaseUnits>) -> PayError {
        PayError::AnswerLost {
            reason,
            key: self.asked.key.clone(),
            charged,
        }
    }

    async fn send(&self) -> Result<Response, reqwest::Error> {
        let key = HeaderName::from_static(IDEMPOTENCY_KEY);
        let payment = HeaderName::from_static(PAYMENT_SIGNATURE);
        let request = self.asked.to(&self.http);
        let request = request.header(key, self.asked.key.as_str());
        request.header(payment, self.payment.clone()).send().await
    }
}

impl Asked {
    /// The request without a payment.
    pub(super) fn to(&self, http: &reqwest::Client) -> RequestBuilder {
        let mut request = http.request(self.method.clone(), self.url.clone());
        if let Some(content_type) = &self.content_type {
            request = request.header(CONTENT_TYPE, content_type.clone());
        }
        if self.body.is_empty() {
            request
        } else {
            request.body(self.body.clone())
        }
    }
}

/// A provider that starts, stops or has too much to do says nothing about a request that it may have served before.
fn unavailable(response: &Response) -> Option<reqwest::Error> {
    let is_unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE
        && receipt_header(response.headers()).is_none();
    is_unavailable
        .then(|| response.error_for_status_ref().err())
        .flatten()
}

/// Up to half of it is left out by chance, so that those who lost their connections together do not come back together.
fn pause(repeats: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.pow(repeats);
    longest.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
}
