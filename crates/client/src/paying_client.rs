//! Pays for HTTP requests through one lane: the main entry for agents.
//!
//! [`PayingClient::send`] sends a request with a voucher for the most that it can cost, without a first 402
//! once the model's price is known, and hands the answer over as it arrives. Many requests may be in flight
//! on one lane. On a corrective 402 it resynchronises from the lane's own signature and tries again, a few
//! times at most. When the connection breaks it asks again with the same key, for which the provider charges
//! nothing, and goes on where it broke off.
//!
//! What a 402 says is only ever compared with the configuration: program, network, mint and payee are the
//! caller's.

mod answer;
mod error;
mod in_flight;
mod notary;
mod question;
mod receipt_header;
mod receipt_scanner;
mod request;
mod seen;
mod terms;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::{Endpoint, PriceList};
use farthing_wire::receipt::{KEY_SET_PATH, KeySet, request_digest};
use farthing_wire::x402::{
    EscrowPayload, LaneStateInfo, PaymentPayload, PaymentRequired, PaymentRequirements,
    STATE_SIGNATURE, X402_VERSION, encode_header, lane_state_path,
};
use rand::Rng;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode, Url, redirect};
use serde_json::Value;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

pub use answer::{FinishedAnswer, PaidAnswer, Receipt};
pub use error::PayError;
pub use notary::{DisputedReceipt, SignedReceipt};
pub use request::PaidRequest;
pub use terms::Offer;

use crate::payer::{LaneIdentity, LanePayer, PayerError, Reservation, SignedVoucher};
use error::Refusal;
use in_flight::InFlight;
use notary::Notary;
use question::{Asked, Question, Unanswered};
use terms::Terms;

/// How often a refused request is tried again.
const MAX_RETRIES: u32 = 3;
/// How far above a value that was used before the next one is chosen, at most, where a provider does not tell which
/// ones were.
const MAX_VALUE_JUMP: u64 = 256;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider may pause within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a provider may take to tell a lane's state.
const STATE_TIMEOUT: Duration = Duration::from_secs(10);
/// Where a provider lists its models.
const MODELS_PATH: &str = "/v1/models";
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
    /// The channel's settler, who signs receipts. Without it receipts are not checked, and none that is signed is kept.
    pub settler: Option<Pubkey>,
    /// The most that one request may cost; a dearer one is refused before anything is signed.
    pub max_price_per_request: Option<BaseUnits>,
    /// The tier to buy models in, such as `priority`, or `standard`; a model that is not sold in it is refused before
    /// anything is signed. Without it the provider's first offer is accepted, the standard one if there is one. Plain
    /// routes have no tiers.
    pub tier: Option<String>,
}

/// Pays for requests through one lane. Clones share the lane.
#[derive(Debug, Clone)]
pub struct PayingClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    base: Url,
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
                base: base_url(&config.base_url)?,
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

    /// What the lane was charged and has reserved at most, by all that is known here.
    #[must_use]
    pub fn spent_at_most(&self) -> BaseUnits {
        in_flight::lock(&self.shared.lane).spent_at_most()
    }

    /// Sends a chat completion and pays for it. A body with `"stream": true` is answered as server-sent
    /// events.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub async fn chat(&self, body: Value) -> Result<PaidAnswer, PayError> {
        self.send(PaidRequest::new(Endpoint::ChatCompletions, body))
            .await
    }

    /// Sends a request and pays for it.
    ///
    /// # Errors
    /// [`PayError`]. An answer of the provider that is not about payment is no error: see
    /// [`PaidAnswer::status`].
    pub async fn send(&self, request: PaidRequest) -> Result<PaidAnswer, PayError> {
        let known = self.terms().offer(&request);
        let mut url = at_path(&self.shared.base, &request.path);
        url.set_query(request.query.as_deref());
        let asked = Asked {
            notary: self.notary(&request.method, &url, &request.body),
            url,
            method: request.method,
            content_type: request.content_type,
            body: request.body,
            key_is_the_callers: request.key.is_some(),
            key: request.key.unwrap_or_else(IdempotencyKey::random),
        };
        if in_flight::lock(&self.shared.lane).has_losses() {
            self.try_to_resynchronise().await;
        }
        let mut offer = match known {
            Some(offer) => offer,
            None => match self.send_unpaid(&asked).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) => self.accept_offer(&refusal)?,
            },
        };
        let mut retries = 0;
        loop {
            self.check_price(offer.maximum)?;
            match self.send_paid(&offer, &asked).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) if refusal.may_retry && retries < MAX_RETRIES => {
                    retries += 1;
                    offer = self.accept_offer(&refusal)?;
                }
                Sent::Refused(refusal) => return Err(refusal.into_error()),
            }
        }
    }

    /// Asks the provider for what it knows of the lane, and goes on from there. The client does so by itself after an
    /// answer was lost, and when a voucher was used before.
    ///
    /// # Errors
    /// [`PayError::Unexpected`] if the provider does not tell, [`PayError::Resynchronise`] if it is not believed.
    pub async fn resynchronise(&self) -> Result<LaneStateInfo, PayError> {
        let identity = &self.shared.identity;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since_epoch.map_or(0, |since| since.as_secs());
        let (signature, asked) =
            in_flight::lock(&self.shared.lane).ask_state(now, &self.shared.key);
        let path = lane_state_path(&identity.channel, identity.lane);
        let mut url = at_path(&self.shared.base, &path);
        url.query_pairs_mut()
            .append_pair("generation", &identity.generation.to_string())
            .append_pair("at", &now.to_string());
        let request = self.shared.http.get(url).timeout(STATE_TIMEOUT);
        let request = request.header(STATE_SIGNATURE, signature.to_string());
        let answer = PaidAnswer::unpaid(request.send().await.map_err(PayError::transport)?);
        let status = answer.status();
        let is_success = answer.is_success();
        let body = answer.finish().await?.body;
        let told = serde_json::from_slice::<LaneStateInfo>(&body).ok();
        let told = told
            .filter(|_| is_success)
            .ok_or_else(|| PayError::unexpected(status, &body))?;
        in_flight::lock(&self.shared.lane).learn_state(&asked, &told)?;
        Ok(told)
    }

    /// The same where it only helps: without it the client assumes the worst.
    async fn try_to_resynchronise(&self) -> bool {
        let outcome = self.resynchronise().await;
        if let Err(error) = &outcome {
            tracing::debug!(%error, "the provider does not tell the lane's state");
        }
        outcome.is_ok()
    }

    /// The provider's list of models, which costs nothing.
    ///
    /// # Errors
    /// [`PayError::Transport`] if the provider cannot be reached.
    pub async fn models(&self) -> Result<PaidAnswer, PayError> {
        let url = at_path(&self.shared.base, MODELS_PATH);
        let response = self.shared.http.get(url).send().await;
        response
            .map(PaidAnswer::unpaid)
            .map_err(PayError::transport)
    }

    /// What a receipt for this body must say. The provider sees the path behind its own URL's, whatever that is.
    fn notary(&self, method: &Method, url: &Url, body: &[u8]) -> Arc<Notary> {
        let config = &self.shared.config;
        let before = self.shared.base.path().trim_end_matches('/');
        let path = url.path().strip_prefix(before).unwrap_or(url.path());
        let query = url.query().unwrap_or_default();
        Arc::new(Notary {
            settler: config.settler,
            network: config.network.clone(),
            identity: self.shared.identity,
            request: Hash::new_from_array(request_digest(method.as_str(), path, query, body)),
        })
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

    async fn send_unpaid(&self, asked: &Asked) -> Result<Sent, PayError> {
        let sending = asked.to(&self.shared.http).send();
        let response = sending.await.map_err(PayError::transport)?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(Sent::answer(PaidAnswer::unpaid(response)));
        }
        Ok(Sent::Refused(Box::new(Refusal::read(response).await?)))
    }

    async fn send_paid(&self, offer: &Offer, asked: &Asked) -> Result<Sent, PayError> {
        let (voucher, reservation) = self.reserve(offer.maximum)?;
        let in_flight = InFlight::new(self.shared.lane.clone(), reservation);
        let payment = self.payment_header(offer, &voucher)?;
        let mut question = Question::new(self.shared.http.clone(), asked.clone(), payment);
        let response = match question.ask().await {
            Ok(response) => response,
            Err(Unanswered::NotAsked(error)) => {
                in_flight.refused();
                return Err(error);
            }
            // Dropping `in_flight` counts the maximum as spent: the request may have arrived.
            Err(Unanswered::Lost(error)) => return Err(error),
        };
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return PaidAnswer::paid(response, in_flight, question).map(Sent::answer);
        }
        let refusal = Refusal::read(response).await?;
        if question.was_repeated() && refusal.code == VOUCHER_USED && !refusal.knows_keys() {
            // Used by what was asked before, which may have been served and would be a second time.
            return Err(question.lost(refusal.into_error().to_string(), None));
        }
        self.learn_from(refusal, in_flight, offer.maximum).await
    }

    /// Takes the state of the lane from a 402, and decides whether another voucher may do.
    async fn learn_from(
        &self,
        mut refusal: Refusal,
        in_flight: InFlight,
        maximum: BaseUnits,
    ) -> Result<Sent, PayError> {
        let config = &self.shared.config;
        match terms::voucher_state(config, &refusal.required) {
            Some(state) => in_flight.resynchronise(&state)?,
            None if refusal.code == VOUCHER_USED => {
                if self.try_to_resynchronise().await {
                    in_flight.refused();
                } else {
                    in_flight.refused_as_used(rand::thread_rng().gen_range(1..=MAX_VALUE_JUMP));
                }
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
    let url = at_path(&self::base_url(base_url)?, Endpoint::ChatCompletions.path());
    let request = http_client()?.post(url).json(body).send();
    let response = request.await.map_err(PayError::transport)?;
    if response.status() == StatusCode::PAYMENT_REQUIRED {
        return Ok(Some(Refusal::read(response).await?.required));
    }
    PaidAnswer::unpaid(response).status_error().await?;
    Ok(None)
}

/// Asks a provider who signs its receipts.
///
/// # Errors
/// [`PayError`], also if the provider answers with anything but a key set.
pub async fn ask_key_set(base_url: &str) -> Result<KeySet, PayError> {
    let url = at_path(&self::base_url(base_url)?, KEY_SET_PATH);
    let response = http_client()?.get(url).send().await;
    let answer = PaidAnswer::unpaid(response.map_err(PayError::transport)?);
    let status = answer.status();
    let body = answer.finish().await?.body;
    KeySet::from_json(&body).map_err(|_| PayError::unexpected(status, &body))
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

/// Where a provider's paths begin, whether its URL was given with or without `/v1` or the whole path of an
/// endpoint.
fn base_url(text: &str) -> Result<Url, PayError> {
    let mut url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            PayError::Configuration(
                "the provider's URL is not an http:// or https:// URL with a host".to_owned(),
            )
        })?;
    let path = url.path().trim_end_matches('/');
    let base = Endpoint::ALL
        .iter()
        .find_map(|endpoint| path.strip_suffix(endpoint.path()))
        .or_else(|| path.strip_suffix("/v1"))
        .unwrap_or(path)
        .to_owned();
    url.set_path(&base);
    Ok(url)
}

fn at_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_from_any_of_its_forms() {
        for base in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v1/chat/completions",
            "/v1/embeddings",
        ] {
            for (before, expected) in [("", "/v1/responses"), ("/api", "/api/v1/responses")] {
                let base = base_url(&format!("http://127.0.0.1:1{before}{base}")).expect("a URL");
                let url = at_path(&base, Endpoint::Responses.path());
                assert_eq!(url.as_str(), format!("http://127.0.0.1:1{expected}"));
            }
        }
        for base in ["", "127.0.0.1:1", "ftp://x", "http://"] {
            assert!(base_url(base).is_err(), "{base}");
        }
    }
}
