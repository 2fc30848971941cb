//! A paid request without the client library. Everything that the gateway sends is recorded, even if the answer was cut
//! off. The client library decides for its users how to interpret such an answer; here the oracle does.

use farthing_protocol::BaseUnits;
use farthing_wire::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use farthing_wire::pricing::{Endpoint, PriceList, QuoteError};
use farthing_wire::x402::{
    EscrowPayload, PAYMENT_REQUIRED, PAYMENT_SIGNATURE, PaymentRequired, PaymentRequirements,
    PaymentState, ReceiptExtra, SettleResponse, VoucherStateInfo,
};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::oracle::Told;
use super::{PATIENCE, Result};
use farthing_tests::payment;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer was complete.
    Whole,
    /// The answer was cut off, or none arrived.
    Cut,
    /// The connection was refused.
    NotConnected,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the client was told about the request.
    pub told: Told,
    /// How the answer ended.
    pub ending: Ending,
    /// The error code, if the request was refused.
    pub refusal: Option<String>,
    /// The lane's figures, if the request was charged.
    pub receipt: Option<ReceiptExtra>,
    /// The lane's state, if a refusal contained it.
    pub state: Option<VoucherStateInfo>,
    /// Whether this is the stored answer to an earlier request with the same idempotency key.
    pub is_replay: bool,
}

impl Answer {
    fn silent(ending: Ending) -> Self {
        Self {
            told: Told::Nothing,
            ending,
            refusal: None,
            receipt: None,
            state: None,
            is_replay: false,
        }
    }
}

/// A client of the gateway. The URL is passed with each request, because it changes with every restart.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    offer: Box<RawValue>,
    prices: PriceList,
}

impl Client {
    /// Creates a client from the offer in a 402 of the gateway.
    ///
    /// # Errors
    /// If the gateway does not answer with an offer.
    pub async fn learn(url: &str, body: &Value) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let answer = http.post(chat_completions(url)).json(body).send().await?;
        let required: Option<PaymentRequired> = payment::told(answer.headers(), PAYMENT_REQUIRED);
        let mut offer: PaymentRequirements = required
            .and_then(|required| required.accepts.into_iter().next())
            .ok_or("the gateway offers no way to pay")?;
        let prices = offer.escrow_extra()?.pricing;
        // The offer is used for all requests, whose prices differ, so its amount is the maximum.
        offer.amount = BaseUnits(u64::MAX);
        Ok(Self {
            http,
            offer: to_raw_value(&offer)?,
            prices,
        })
    }

    /// Maximum cost of a request.
    ///
    /// # Errors
    /// If its model is not sold.
    pub fn maximum(&self, body: &Value) -> std::result::Result<BaseUnits, QuoteError> {
        Ok(self
            .prices
            .quote(Endpoint::ChatCompletions, &body.clone().try_into()?)?
            .maximum)
    }

    /// Sends a request with a payment and reads the answer as far as it arrives.
    pub async fn ask(
        &self,
        url: &str,
        body: &Value,
        payload: &EscrowPayload,
        key: Option<&str>,
    ) -> Answer {
        let payment = payment::header(&self.offer, payload);
        let mut request = self.http.post(chat_completions(url)).json(body);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        match request.header(PAYMENT_SIGNATURE, payment).send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => Answer::silent(Ending::NotConnected),
            Err(_) => Answer::silent(Ending::Cut),
        }
    }
}

fn chat_completions(url: &str) -> String {
    format!("{url}/v1/chat/completions")
}

async fn read(mut response: Response) -> Answer {
    let head = payment::outcome(response.headers());
    let required: Option<PaymentRequired> = payment::told(response.headers(), PAYMENT_REQUIRED);
    // 410: the stored answer has been evicted, but the charge is still known.
    let is_replay = response.headers().contains_key(IDEMPOTENT_REPLAYED)
        || response.status() == StatusCode::GONE;
    let mut body = Vec::new();
    let ending = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break Ending::Whole,
            Err(_) => break Ending::Cut,
        }
    };
    let mut answer = Answer {
        is_replay,
        ..Answer::silent(ending)
    };
    match head {
        Some(refused) if !refused.success => {
            answer.told = Told::Refused;
            answer.refusal = refused.error_reason;
            answer.state = required.and_then(|required| voucher_state(&required));
        }
        Some(SettleResponse {
            extra: Some(in_head),
            ..
        }) => {
            let at_end = payment::stream_receipt(&body).and_then(|receipt| receipt.extra);
            let last = at_end.unwrap_or(in_head);
            answer.told = told(&last);
            answer.receipt = (last.state == PaymentState::Charged).then_some(last);
        }
        _ => {}
    }
    answer
}

fn told(receipt: &ReceiptExtra) -> Told {
    match receipt.state {
        PaymentState::Reserved => Told::Reserved,
        PaymentState::Charged => Told::Charged {
            charged: receipt.charged,
            total: receipt.charged_total,
        },
    }
}

fn voucher_state(required: &PaymentRequired) -> Option<VoucherStateInfo> {
    required.accepts.first()?.escrow_extra().ok()?.voucher_state
}
