//! One paid request, by hand: every word that the gateway says is kept, of an answer that was cut off as well. The
//! client library decides for its users what to believe of such an answer; here that is the oracle's part.

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
    /// With its last byte.
    Whole,
    /// Before.
    Cut,
    /// There was nobody to connect to.
    NotConnected,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the client knows now.
    pub told: Told,
    /// How it ended.
    pub ending: Ending,
    /// The code of a refusal.
    pub refusal: Option<String>,
    /// The lane's figures, if the request was charged.
    pub receipt: Option<ReceiptExtra>,
    /// The lane's state, if a refusal told it.
    pub state: Option<VoucherStateInfo>,
    /// Whether it is the answer to a request that came before with the same key.
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

/// A client of a gateway, wherever it listens after its next start.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    offer: Box<RawValue>,
    prices: PriceList,
}

impl Client {
    /// Learns from a 402 how to pay.
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
        // For any request: the price is by the request, not by the offer.
        offer.amount = BaseUnits(u64::MAX);
        Ok(Self {
            http,
            offer: to_raw_value(&offer)?,
            prices,
        })
    }

    /// The most that a request can cost.
    ///
    /// # Errors
    /// If its model is not sold.
    pub fn maximum(&self, body: &Value) -> std::result::Result<BaseUnits, QuoteError> {
        Ok(self.prices.quote(Endpoint::ChatCompletions, body)?.maximum)
    }

    /// Sends a request with a payment and reads as much of the answer as there is.
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
    // The answer may be gone, but not the charge.
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
