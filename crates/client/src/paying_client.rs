//! Pays for HTTP requests through one lane: the main entry for agents.
//!
//! [`PayingClient::send`] sends a request with a voucher for the most that it can cost, and hands the answer over as it
//! arrives. Once the model's price is known, this needs no 402 first. Many requests may be in flight on one lane. After
//! a corrective 402 the client resynchronises from the lane's own signature and retries, a few times at most. If the
//! connection breaks, it retries with the same idempotency key, for which the provider charges nothing more, and
//! resumes the answer where it broke off.
//!
//! Program, network, mint and payee are those of the caller's configuration. Those in a 402 are only compared with
//! them.

mod answer;
mod budget;
mod error;
mod in_flight;
mod notary;
mod receipt_header;
mod receipt_scanner;
mod request;
mod retryable;
mod seen;
mod terms;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

pub use answer::{FinishedAnswer, PaidAnswer, Receipt};
pub use budget::{Budget, BudgetSpent};
pub use error::PayError;
pub use notary::{DisputedReceipt, SignedReceipt};
pub use request::PaidRequest;
pub use terms::Offer;

use crate::payer::{LaneIdentity, LanePayer, PayerError, Reservation, SignedVoucher};
use error::RefusedAttempt;
use in_flight::{InFlight, Lane};
use notary::Notary;
use retryable::{OutgoingRequest, RetryableRequest, Unanswered};
use terms::KnownTerms;

/// Maximum number of retries of a refused request.
const MAX_RETRIES: u32 = 3;
/// Maximum distance from a used value to the next one to try, for providers that do not report which values are used.
const MAX_VALUE_JUMP: u64 = 256;
/// How far above what is needed vouchers are signed at most, in base units.
const MAX_SPREAD: u16 = 1_023;
/// Timeout of connecting to the provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of reading: how long a provider may pause within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(600);
/// Timeout of a query for the lane's state.
const STATE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most tiers whose terms are remembered.
const MAX_TIERS: usize = 64;
/// Path of a provider's list of models.
const MODELS_PATH: &str = "/v1/models";
/// Error code of a refusal because the voucher's value was used before. A higher value may be accepted.
const VOUCHER_USED: &str = "voucher_used";
/// Error code of a refusal because the lane was charged more than was known here. A higher ceiling is accepted.
const CEILING_BELOW_NEED: &str = "ceiling_below_need";

/// Configuration of a [`PayingClient`]: what it trusts and what it is willing to pay.
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
    /// The channel's payee. If `None`, offers of any payee are accepted for which the channel's vouchers are valid.
    pub pay_to: Option<Pubkey>,
    /// The channel's settler, who signs receipts. If `None`, signed receipts are neither verified nor returned.
    pub settler: Option<Pubkey>,
    /// The most that one request may cost; a more expensive one is refused before anything is signed.
    pub max_price_per_request: Option<BaseUnits>,
    /// The factor by which a price may rise while this client runs; a higher one is refused before anything is signed.
    /// `None` accepts any rise.
    pub max_price_jump: Option<u32>,
    /// How long a request may wait for others of this client to end, if the lane's cap does not cover all of their maxima
    /// at once.
    pub max_wait: Duration,
    /// Limits on what is spent, each of which must cover a request.
    pub budgets: Vec<Arc<Budget>>,
    /// The tier to buy models in, such as `priority`, or `standard`; a model that is not sold in it is refused before
    /// anything is signed. If `None`, the provider's first offer is accepted, which is the standard one if there is
    /// one. Plain routes have no tiers.
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
    lane: Arc<Lane>,
    key: Keypair,
    /// By the tier that requests ask for by a header; empty for none.
    terms: Mutex<BTreeMap<String, KnownTerms>>,
    /// What the lane was charged before the first voucher was signed, asked for once; `None` if the provider does not
    /// tell.
    first_state: OnceCell<Option<BaseUnits>>,
}

impl PayingClient {
    /// A client that pays through `lane` with its key.
    ///
    /// # Errors
    /// [`PayError::Configuration`] if the URL is malformed or the lane belongs to another program, or
    /// [`PayError::Lane`] if the key is not the lane's.
    pub fn new(
        config: PayingClientConfig,
        lane: LanePayer,
        key: Keypair,
    ) -> Result<Self, PayError> {
        Self::with_http(http_client()?, config, lane, key)
    }

    /// Like [`Self::new`], with an HTTP client that several clients may share. It should not follow redirects, so that
    /// vouchers are sent to the configured provider only.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn with_http(
        http: reqwest::Client,
        config: PayingClientConfig,
        lane: LanePayer,
        key: Keypair,
    ) -> Result<Self, PayError> {
        check_lane(&config, &lane, &key)?;
        let identity = *lane.identity();
        let lane = lane.with_spread(rand::thread_rng().gen_range(0..=MAX_SPREAD));
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                base: base_url(&config.base_url)?,
                config,
                identity,
                lane: Arc::new(Lane::new(lane)),
                key,
                terms: Mutex::default(),
                first_state: OnceCell::new(),
            }),
        })
    }

    /// Gives the client terms and prices that are known from earlier, so that it can pay its first request without a
    /// 402.
    ///
    /// # Errors
    /// [`PayError::Terms`] if the terms do not match the configuration.
    pub fn know_terms(
        &self,
        accepted: PaymentRequirements,
        prices: PriceList,
    ) -> Result<(), PayError> {
        let config = &self.shared.config;
        terms::check(config, &accepted)?;
        self.terms("", |terms| terms.learn(accepted, prices));
        Ok(())
    }

    /// The prices that are known so far.
    #[must_use]
    pub fn known_prices(&self) -> PriceList {
        self.terms("", |terms| terms.prices().clone())
    }

    /// Upper bound of what the lane was charged and has reserved, as far as this client knows.
    #[must_use]
    pub fn spent_at_most(&self) -> BaseUnits {
        self.shared.lane.lock().spent_at_most()
    }

    /// What the provider's books say the lane was charged since this client first asked for its state; `None` if the
    /// provider does not tell.
    pub async fn charged_since_first_state(&self) -> Option<BaseUnits> {
        let Some(first) = self.shared.first_state.get() else {
            return Some(BaseUnits::ZERO);
        };
        let told = self.resynchronise().await.ok()?;
        Some(told.state.charged.saturating_sub((*first)?))
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
    /// [`PayError`]. Error statuses of the provider that are not about payment are not errors here: see
    /// [`PaidAnswer::status`].
    pub async fn send(&self, request: PaidRequest) -> Result<PaidAnswer, PayError> {
        let tier = request.tier();
        let mut known = self.terms(&tier, |terms| terms.offer(&request));
        if known.is_none()
            && let Some(short) = request.for_the_price()
        {
            self.learn_price(short).await?;
            known = self.terms(&tier, |terms| terms.offer(&request));
        }
        let mut first_price = self.terms(&tier, |terms| terms.first_price(&request));
        let outgoing = self.outgoing(request);
        let mut offer = match known {
            Some(offer) => offer,
            None => match self.send_unpaid(&outgoing).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) => self.accept_offer(&tier, &refusal, first_price)?,
            },
        };
        let first_price = *first_price.get_or_insert(offer.maximum);
        self.learn_first_state().await;
        if self.shared.lane.lock().has_losses() {
            self.try_to_resynchronise().await;
        }
        let mut retries = 0;
        loop {
            self.check_price(offer.maximum)?;
            self.check_jump(first_price, offer.maximum)?;
            match self.send_paid(&offer, &outgoing).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::Refused(refusal) if refusal.may_retry && retries < MAX_RETRIES => {
                    retries += 1;
                    offer = self.accept_offer(&tier, &refusal, Some(first_price))?;
                }
                Sent::Refused(refusal) => return Err(refusal.into_error()),
            }
        }
    }

    /// Queries the provider for the lane's state and continues from it. The client does this automatically after an
    /// answer was lost, and when the provider refuses a voucher as used.
    ///
    /// # Errors
    /// [`PayError::Transport`] if the provider cannot be reached, [`PayError::Unexpected`] if it does not return the
    /// state, [`PayError::Resynchronise`] if the state is not trusted.
    pub async fn resynchronise(&self) -> Result<LaneStateInfo, PayError> {
        let identity = &self.shared.identity;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since_epoch.map_or(0, |since| since.as_secs());
        let (signature, outgoing) = self.shared.lane.lock().ask_state(now, &self.shared.key);
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
        self.shared.lane.lock().learn_state(&outgoing, &told)?;
        self.shared.lane.notify();
        Ok(told)
    }

    /// Asks for the lane's state before anything is signed, so that what earlier clients of the lane spent is known. A
    /// provider that does not tell it says so in a refusal.
    async fn learn_first_state(&self) {
        let ask = || async {
            let error = match self.resynchronise().await {
                Ok(told) => return Some(told.state.charged),
                Err(error) => error,
            };
            if error.says_channel_unknown() {
                return Some(self.shared.lane.lock().charged_at_least());
            }
            tracing::debug!(%error, "the provider does not tell the lane's state");
            None
        };
        self.shared.first_state.get_or_init(ask).await;
    }

    /// Resynchronises if possible, and returns whether it was. If not, the client continues with its upper bound.
    async fn try_to_resynchronise(&self) -> bool {
        let outcome = self.resynchronise().await;
        if let Err(error) = &outcome {
            tracing::debug!(%error, "cannot query the lane's state, continuing with the upper bound of its charges");
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

    /// The expected content of a receipt for this request. Its path is relative to the provider's base URL, because
    /// that is the path that the provider sees.
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

    /// Refuses a request for which more is suddenly asked.
    fn check_jump(&self, before: BaseUnits, now: BaseUnits) -> Result<(), PayError> {
        match self.shared.config.max_price_jump {
            Some(factor) if now.0 > before.0.saturating_mul(u64::from(factor)) => {
                Err(PayError::PriceJumped {
                    before,
                    now,
                    factor,
                })
            }
            _ => Ok(()),
        }
    }

    /// The first offer of a 402 that meets this client's terms. What jumps from the first price of the request is not
    /// learnt.
    fn accept_offer(
        &self,
        tier: &str,
        refusal: &RefusedAttempt,
        first_price: Option<BaseUnits>,
    ) -> Result<Offer, PayError> {
        let (accepted, prices) = terms::choose(&self.shared.config, &refusal.required)?;
        let maximum = accepted.amount;
        if let Some(first_price) = first_price {
            self.check_jump(first_price, maximum)?;
        }
        self.terms(tier, |terms| terms.learn(accepted.clone(), prices));
        Ok(Offer { accepted, maximum })
    }

    fn outgoing(&self, request: PaidRequest) -> OutgoingRequest {
        let mut url = at_path(&self.shared.base, &request.path);
        url.set_query(request.query.as_deref());
        OutgoingRequest {
            notary: self.notary(&request.method, &url, &request.body),
            url,
            method: request.method,
            headers: request.headers,
            body: request.body,
            key_is_the_callers: request.key.is_some(),
            key: request.key.unwrap_or_else(IdempotencyKey::random),
        }
    }

    /// Sends a short request without a payment, for the price in the 402. Whatever else the provider answers, the real
    /// request will be answered too.
    async fn learn_price(&self, short: PaidRequest) -> Result<(), PayError> {
        let tier = short.tier();
        if let Sent::Refused(refusal) = self.send_unpaid(&self.outgoing(short)).await? {
            self.accept_offer(&tier, &refusal, None)?;
        }
        Ok(())
    }

    async fn send_unpaid(&self, outgoing: &OutgoingRequest) -> Result<Sent, PayError> {
        let sending = outgoing.to(&self.shared.http).send();
        let response = sending.await.map_err(PayError::transport)?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(Sent::answer(PaidAnswer::unpaid(response)));
        }
        Ok(Sent::Refused(Box::new(
            RefusedAttempt::read(response).await?,
        )))
    }

    async fn send_paid(&self, offer: &Offer, outgoing: &OutgoingRequest) -> Result<Sent, PayError> {
        let (voucher, reservation) = self.reserve(offer.maximum).await?;
        let budgets = &self.shared.config.budgets;
        let in_flight = InFlight::new(self.shared.lane.clone(), reservation, budgets)?;
        let payment = self.payment_header(offer, &voucher)?;
        let mut retryable =
            RetryableRequest::new(self.shared.http.clone(), outgoing.clone(), payment);
        let response = match retryable.ask().await {
            Ok(response) => response,
            Err(Unanswered::NotAsked(error)) => {
                in_flight.refused();
                return Err(error);
            }
            // Dropping `in_flight` counts the maximum as spent: the request may have arrived.
            Err(Unanswered::Lost(error)) => return Err(error),
        };
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return PaidAnswer::paid(response, in_flight, retryable).map(Sent::answer);
        }
        let refusal = RefusedAttempt::read(response).await?;
        if retryable.was_repeated() && refusal.code == VOUCHER_USED && !refusal.knows_keys() {
            // The first attempt may have used the voucher and been served. A new voucher could be charged a second
            // time.
            return Err(retryable.lost(refusal.into_error().to_string(), None));
        }
        self.learn_from(refusal, in_flight, offer.maximum).await
    }

    /// Learns the lane's state from a 402, and decides whether a retry with another voucher may succeed.
    async fn learn_from(
        &self,
        mut refusal: RefusedAttempt,
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

    /// Signs a voucher. If the cap covers the request only once others in flight have ended, it waits for them.
    async fn reserve(&self, maximum: BaseUnits) -> Result<(SignedVoucher, Reservation), PayError> {
        let deadline = Instant::now() + self.shared.config.max_wait;
        let mut has_asked = false;
        loop {
            let released = self.shared.lane.released();
            let mut released = pin!(released);
            released.as_mut().enable();
            let (error, may_wait) = {
                let mut lane = self.shared.lane.lock();
                let signed = lane.next_voucher(maximum, &self.shared.key);
                let signed = signed.or_else(|error| match error {
                    PayerError::CapReached { .. } => {
                        lane.probing_voucher(maximum, &self.shared.key)
                    }
                    error => Err(error),
                });
                match signed {
                    Ok(signed) => return Ok(signed),
                    Err(error) => (error, lane.may_cover(maximum)),
                }
            };
            if !may_wait && !has_asked && self.shared.lane.lock().has_losses() {
                // What others lost may have cost less than their maxima.
                has_asked = true;
                self.try_to_resynchronise().await;
                continue;
            }
            if !may_wait || timeout_at(deadline, released).await.is_err() {
                return Err(PayError::Lane(error));
            }
        }
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

    /// Looks at the terms that are known for requests that ask for a tier by a header, or for none.
    fn terms<T>(&self, tier: &str, look: impl FnOnce(&mut KnownTerms) -> T) -> T {
        // Nothing panics while it holds the lock, so the terms are whole even if it was poisoned.
        let terms = self.shared.terms.lock();
        let mut terms = terms.unwrap_or_else(PoisonError::into_inner);
        if terms.len() >= MAX_TIERS && !terms.contains_key(tier) {
            terms.clear();
        }
        look(terms.entry(tier.to_owned()).or_default())
    }
}

fn check_lane(
    config: &PayingClientConfig,
    lane: &LanePayer,
    key: &Keypair,
) -> Result<(), PayError> {
    let identity = lane.identity();
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
    Ok(())
}

/// Asks a provider for the terms of a chat completion by sending it without a payment. Returns the terms unchecked, or
/// `None` if the provider served the request for free.
///
/// # Errors
/// [`PayError`], also if the provider answers neither with terms nor with success.
pub async fn ask_terms(base_url: &str, body: &Value) -> Result<Option<PaymentRequired>, PayError> {
    let url = at_path(&self::base_url(base_url)?, Endpoint::ChatCompletions.path());
    let request = http_client()?.post(url).json(body).send();
    let response = request.await.map_err(PayError::transport)?;
    if response.status() == StatusCode::PAYMENT_REQUIRED {
        return Ok(Some(RefusedAttempt::read(response).await?.required));
    }
    PaidAnswer::unpaid(response).status_error().await?;
    Ok(None)
}

/// Fetches the key set of a provider, which names the key that signs its receipts.
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

/// Outcome of sending a request.
enum Sent {
    /// Anything but a 402.
    Answer(Box<PaidAnswer>),
    /// A 402.
    Refused(Box<RefusedAttempt>),
}

impl Sent {
    fn answer(answer: PaidAnswer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// An HTTP client that does not follow redirects, so that a voucher is sent only to the configured provider.
///
/// # Errors
/// [`PayError::Configuration`] if it cannot be built.
pub fn http_client() -> Result<reqwest::Client, PayError> {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| PayError::Configuration(error.to_string()))
}

/// The base URL of a provider's paths. The given URL may end with `/v1` or with the whole path of an endpoint.
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
