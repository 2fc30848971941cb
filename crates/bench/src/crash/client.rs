//! One paid request, by hand: every word that the gateway says is kept, of an answer that was cut off as well. The
//! client library decides for its users what to believe of such an answer; here that is the oracle's part.

use farthing_client::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use farthing_client::pricing::{Endpoint, PriceList, QuoteError};
use farthing_client::x402::{
    EscrowPayload, PAYMENT_REQUIRED, PAYMENT_RESPONSE, PAYMENT_SIGNATURE, PaymentPayload,
    PaymentRequired, PaymentRequirements, PaymentState, ReceiptExtra, STREAM_RECEIPT_PREFIX,
    SettleResponse, VoucherStateInfo, X402_VERSION, decode_header, encode_header,
};
use farthing_protocol::BaseUnits;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::oracle::Told;
use super::{PATIENCE, Result};

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
    offer: PaymentRequirements,
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
        let required: Option<PaymentRequired> = header(answer.headers(), PAYMENT_REQUIRED);
        let mut offer = required
            .and_then(|required| required.accepts.into_iter().next())
            .ok_or("the gateway offers no way to pay")?;
        let prices = offer.escrow_extra()?.pricing;
        // For any request: the price is by the request, not by the offer.
        offer.amount = BaseUnits(u64::MAX);
        Ok(Self {
            http,
            offer,
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
        let payment = encode_header(&PaymentPayload {
            x402_version: X402_VERSION,
            payload: serde_json::to_value(payload).expect("a payload is JSON"),
            accepted: self.offer.clone(),
            resource: None,
            extensions: None,
        });
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
    let head: Option<SettleResponse> = header(response.headers(), PAYMENT_RESPONSE);
    let required: Option<PaymentRequired> = header(response.headers(), PAYMENT_REQUIRED);
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
            let last = stream_receipt(&body).unwrap_or(in_head);
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

/// The receipt at the end of a stream, if its whole line has arrived.
fn stream_receipt(body: &[u8]) -> Option<ReceiptExtra> {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let encoded = lines
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter_map(|line| line.strip_prefix(STREAM_RECEIPT_PREFIX.as_bytes()))
        .next_back()?;
    decode_header::<SettleResponse>(encoded).ok()?.extra
}

fn voucher_state(required: &PaymentRequired) -> Option<VoucherStateInfo> {
    required.accepts.first()?.escrow_extra().ok()?.voucher_state
}

fn header<T: DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
    decode_header(headers.get(name)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(charged: u64) -> SettleResponse {
        SettleResponse {
            success: true,
            error_reason: None,
            error_message: None,
            payer: None,
            transaction: String::new(),
            network: String::new(),
            amount: None,
            extra: Some(ReceiptExtra {
                state: PaymentState::Charged,
                charged: BaseUnits(charged),
                charged_total: BaseUnits(charged),
                reserved: BaseUnits::ZERO,
                authorized: BaseUnits(charged),
                deposit: BaseUnits(charged),
                receipt: None,
            }),
        }
    }

    #[test]
    fn a_receipt_counts_when_its_line_has_arrived() {
        let line = format!("{STREAM_RECEIPT_PREFIX}{}\n", encode_header(&receipt(7)));
        let stream = format!("data: [DONE]\n\n{line}\n");
        let whole = stream_receipt(stream.as_bytes()).expect("a receipt");
        assert_eq!(whole.charged, BaseUnits(7));
        let end = stream.find(&line).expect("the line") + line.len();
        assert!(stream_receipt(&stream.as_bytes()[..end]).is_some());
        assert!(stream_receipt(&stream.as_bytes()[..end - 1]).is_none());
    }
}
