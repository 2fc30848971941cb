//! Pays for HTTP requests through one lane: the main entry for agents.
//!
//! [`PayingClient::chat`] sends a chat completion with a voucher for the most that it can cost, without a
//! first 402 once the model's price is known, and hands the answer over as it arrives. Many requests may
//! be in flight on one lane. On a corrective 402 it resynchronises from the lane's own signature and tries
//! again, a few times at most.
//!
//! What a 402 says is only ever compared with the configuration: program, network, mint and payee are the
//! caller's.

mod answer;
mod error;
mod in_flight;
mod receipt_scanner;
mod terms;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use farthing_protocol::BaseUnits;
use rand::Rng;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url, redirect};
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

pub use answer::{FinishedAnswer, PaidAnswer, Receipt};
pub use error::PayError;
pub use terms::Offer;

use crate::payer::{LaneIdentity, LanePayer, PayerError, Reservation, SignedVoucher};
use crate::pricing::PriceList;
use crate::x402::{
    EscrowPayload, PAYMENT_SIGNATURE, PaymentPayload, PaymentRequired, PaymentRequirements,
    X402_VERSION, encode_header,
};
use error::Refusal;
use in_flight::InFlight;
use terms::Terms;

/// How often a refused request is tried again.
const MAX_RETRIES: u32 = 3;
/// How far above a value that was used before the next one is chosen, at most.
const MAX_VALUE_JUMP: u64 = 256;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider may pause within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// A refusal that a higher value may avoid: this one was used before.
const VOUCHER_USED: &str = "voucher_used";
/// A refusal that a higher ceiling avoids: the lane was charged more than was known here.
const CEILING_BELOW_NEED: &str = "ceiling_below_need";

/// What a client trusts and what it is willing to pay.
#[derive(Debug, Clone)]
pub struct PayingClientConfig {
    /// The provider, such as `https://api.example.com`, with or without `/v1`.
    pub base_url: String,
    /// The program that holds the money.
    pub program: Pubkey,
    /// CAIP-2 id of the cluster that the channel is on.
    pub network: String,
    /// The mint of the escrow.
    pub mint: Pubkey,
    /// The channel's payee. Without it any payee is paid that the channel's voucher is good for.
    pub pay_to: Option<Pubkey>,
    /// The most that one request may cost; a dearer one is refused before anything is signed.
    pub max_price_per_request: Option<BaseUnits>,
}

/// Pays for requests through one lane. Clones share the lane.
#[derive(Debug, Clone)]
pub struct PayingClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    endpoint: Url,
    config: PayingClientConfig,
    identity: LaneIdentity,
    lane: Arc<Mutex<LanePayer>>,
    key: Keypair,
    terms: Mutex<Terms>,
}

impl PayingClient {
    /// A client that pays through `lane` with its key.
    ///
    /// # Errors
    /// [`PayError::Configuration`] if the URL is none, or [`PayError::Lane`] if the key is not the lane's.
    pub fn new(
        config: PayingClientConfig,
        lane: LanePayer,
        key: Keypair,
    ) -> Result<Self, PayError> {
        let identity = *lane.identity();
        if identity.signer != key.pubkey() {
            return Err(PayError::Lane(PayerError::WrongKey {
                lane: identity.lane,
                expected: identity.signer,
                given: key.pubkey(),
            }));
        }
        if identity.program != config.program {
            return Err(PayError::Configuration(
                "the lane belongs to another program than the configured one".to_owned(),
            ));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                http: http_client()?,
                endpoint: chat_endpoint(&config.base_url)?,
                config,
                identity,
                lane: Arc::new(Mutex::new(lane)),
                key,
                terms: Mutex::new(Terms::default()),
            }),
        })
    }

    /// Lets the client pay its first request without a 402: prices and terms that it was given earlier.
    ///
    /// # Errors
    /// [`PayError::Terms`] if they are not those of the configuration.
    pub fn know_terms(
        &self,
        accepted: PaymentRequirements,
        prices: PriceList,
    ) -> Result<(), PayError> {
        let config = &self.shared.config;
        terms::check(config, &accepted)?;
        self.terms().learn(accepted, prices);
        Ok(())
    }

    /// The prices that are known so far.
    #[must_use]
    pub fn known_prices(&self) -> PriceList {
        self.terms().prices().clone()
    }

    /// Sends a chat completion and pays for it. A body with `"stream": true` is answered as server-sent
    /// events.
    ///
    /// # Errors
    /// [`PayError`]. An answer of the provider that is not about payment is no error: see
    /// [`PaidAnswer::status`].
    pub async fn chat(&self, body: Value) -> Result<PaidAnswer, PayError> {
        let bytes = Bytes::from(body.to_string());
        let known = self.terms().offer(&body);
        let mut offer = match known {
            Some(offer) => offer,
            None => match self.send_unpaid(bytes.clone()).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) => self.accept_offer(&refusal)?,
            },
        };
        let mut retries = 0;
        loop {
            self.check_price(offer.maximum)?;
            match self.send_paid(&offer, bytes.clone()).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) if refusal.may_retry && retries < MAX_RETRIES => {
                    retries += 1;
                    offer = self.accept_offer(&refusal)?;
                }
                Sent::Refused(refusal) => return Err(refusal.into_error()),
            }
        }
    }

    fn check_price(&self, maximum: BaseUnits) -> Result<(), PayError> {
        match self.shared.config.max_price_per_request {
            Some(limit) if maximum > limit => Err(PayError::TooExpensive { maximum, limit }),
            _ => Ok(()),
        }
    }

    /// The first offer of a 402 that is on this client's terms.
    fn accept_offer(&self, refusal: &Refusal) -> Result<Offer, PayError> {
        let (accepted, prices) = terms::choose(&self.shared.config, &refusal.required)?;
        let maximum = accepted.amount;
        self.terms().learn(accepted.clone(), prices);
        Ok(Offer { accepted, maximum })
    }

    async fn send_unpaid(&self, body: Bytes) -> Result<Sent, PayError> {
        let response = self.post(body, None).await?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(Sent::answer(PaidAnswer::unpaid(response)));
        }
        Ok(Sent::Refused(Box::new(Refusal::read(response).await?)))
    }

    async fn send_paid(&self, offer: &Offer, body: Bytes) -> Result<Sent, PayError> {
        let (voucher, reservation) = self.reserve(offer.maximum)?;
        let in_flight = InFlight::new(self.shared.lane.clone(), reservation);
        let header = self.payment_header(offer, &voucher)?;
        // Dropping `in_flight` on the way out counts the maximum as spent: the request may have arrived.
        let response = self.post(body, Some(header)).await?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return PaidAnswer::paid(response, in_flight)
                .await
                .map(Sent::answer);
        }
        let refusal = Refusal::read(response).await?;
        self.learn_from(refusal, in_flight, offer.maximum)
    }

    /// Takes the state of the lane from a 402, and decides whether another voucher may do.
    fn learn_from(
        &self,
        mut refusal: Refusal,
        in_flight: InFlight,
        maximum: BaseUnits,
    ) -> Result<Sent, PayError> {
        let config = &self.shared.config;
        match terms::voucher_state(config, &refusal.required) {
            Some(state) => in_flight.resynchronise(&state)?,
            None if refusal.code == VOUCHER_USED => {
                in_flight.refused_as_used(rand::thread_rng().gen_range(1..=MAX_VALUE_JUMP));
            }
            None => in_flight.refused(),
        }
        refusal.may_retry = match refusal.code.as_str() {
            VOUCHER_USED | CEILING_BELOW_NEED => true,
            // The price may have risen since it was learnt.
            _ => terms::choose(config, &refusal.required)
                .is_ok_and(|(accepted, _)| accepted.amount > maximum),
        };
        Ok(Sent::Refused(Box::new(refusal)))
    }

    fn reserve(&self, maximum: BaseUnits) -> Result<(SignedVoucher, Reservation), PayError> {
        let mut lane = in_flight::lock(&self.shared.lane);
        lane.next_voucher(maximum, &self.shared.key)
            .or_else(|_| lane.probing_voucher(maximum, &self.shared.key))
            .map_err(PayError::Lane)
    }

    fn payment_header(
        &self,
        offer: &Offer,
        signed: &SignedVoucher,
    ) -> Result<HeaderValue, PayError> {
        let payload = EscrowPayload::Voucher {
            channel: self.shared.identity.channel,
            lane: signed.voucher.lane.0,
            generation: signed.voucher.generation.0,
            authorized: signed.voucher.authorized,
            signature: signed.signature,
        };
        let payload = PaymentPayload {
            x402_version: X402_VERSION,
            payload: serde_json::to_value(payload)
                .map_err(|error| PayError::Configuration(error.to_string()))?,
            accepted: offer.to_send(),
            resource: None,
            extensions: None,
        };
        let mut header = HeaderValue::from_str(&encode_header(&payload))
            .map_err(|error| PayError::Configuration(error.to_string()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn post(
        &self,
        body: Bytes,
        payment: Option<HeaderValue>,
    ) -> Result<reqwest::Response, PayError> {
        let mut request = self
            .shared
            .http
            .post(self.shared.endpoint.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        request.send().await.map_err(PayError::transport)
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        // Nothing panics while it holds the lock, so the terms are whole even if it was poisoned.
        self.shared
            .terms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Asks a provider for the terms of a request without paying: what it would accept, unchecked, or `None` if
/// it served the request for free.
///
/// # Errors
/// [`PayError`], also if the provider answers neither with terms nor with success.
pub async fn ask_terms(base_url: &str, body: &Value) -> Result<Option<PaymentRequired>, PayError> {
    let response = http_client()?
        .post(chat_endpoint(base_url)?)
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string())
        .send()
        .await
        .map_err(PayError::transport)?;
    if response.status() == StatusCode::PAYMENT_REQUIRED {
        return Ok(Some(Refusal::read(response).await?.required));
    }
    PaidAnswer::unpaid(response).status_error().await?;
    Ok(None)
}

/// What came of a request.
enum Sent {
    /// Anything but a 402.
    Answer(Box<PaidAnswer>),
    /// A 402.
    Refused(Box<Refusal>),
}

impl Sent {
    fn answer(answer: PaidAnswer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// Redirects are not followed: a voucher goes to the provider that was named, and to no other.
fn http_client() -> Result<reqwest::Client, PayError> {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| PayError::Configuration(error.to_string()))
}

/// The chat completions of a provider, whether its URL was given with or without `/v1` or the whole path.
fn chat_endpoint(base_url: &str) -> Result<Url, PayError> {
    const PATH: &str = "/v1/chat/completions";
    let mut url = Url::parse(base_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            PayError::Configuration(
                "the provider's URL is not an http:// or https:// URL with a host".to_owned(),
            )
        })?;
    let base = url.path().trim_end_matches('/');
    let base = base
        .strip_suffix(PATH)
        .or_else(|| base.strip_suffix("/v1"))
        .unwrap_or(base);
    url.set_path(&format!("{base}{PATH}"));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_found_from_any_of_its_forms() {
        for base in [
            "http://127.0.0.1:1",
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1/v1",
            "http://127.0.0.1:1/v1/",
            "http://127.0.0.1:1/v1/chat/completions",
        ] {
            let url = chat_endpoint(base).expect("a URL");
            assert_eq!(url.as_str(), "http://127.0.0.1:1/v1/chat/completions");
        }
        for base in ["", "127.0.0.1:1", "ftp://x", "http://"] {
            assert!(chat_endpoint(base).is_err(), "{base}");
        }
    }
}
