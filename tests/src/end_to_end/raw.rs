//! Sends requests without our client, as anybody can who has seen a voucher or holds a key.

use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use farthing_wire::x402::{
    EscrowPayload, PAYMENT_REQUIRED, PAYMENT_SIGNATURE, PaymentPayload, PaymentRequired,
    PaymentRequirements, X402_VERSION, decode_header, encode_header,
};
use reqwest::Response;
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::Signer;

/// A raw HTTP client of a gateway.
#[derive(Debug)]
pub struct RawClient {
    http: reqwest::Client,
    url: String,
}

/// Status and error code of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// The error's code, empty if there is none.
    pub code: String,
}

impl Answered {
    /// For comparing.
    #[must_use]
    pub fn new(status: u16, code: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
        }
    }
}

impl RawClient {
    /// A client of the gateway at this base URL.
    #[must_use]
    pub fn new(gateway: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("{gateway}/v1/chat/completions"),
        }
    }

    /// The offer in the 402 for a body.
    ///
    /// # Panics
    /// If the answer is not a 402 with an offer.
    pub async fn requirements(&self, body: &Value) -> PaymentRequirements {
        let answer = self.send(body, None).await;
        assert_eq!(answer.status(), 402);
        let header = &answer.headers()[PAYMENT_REQUIRED];
        let required: PaymentRequired =
            decode_header(header.as_bytes()).expect("the 402 is well formed");
        required
            .accepts
            .into_iter()
            .next()
            .expect("the 402 offers a way to pay")
    }

    /// Sends a body with a payment, and returns status and error code of the answer.
    ///
    /// # Panics
    /// If the gateway cannot be reached.
    pub async fn pay(
        &self,
        body: &Value,
        accepted: &PaymentRequirements,
        payload: &EscrowPayload,
    ) -> Answered {
        let payment = PaymentPayload {
            x402_version: X402_VERSION,
            payload: serde_json::to_value(payload).expect("a payload is JSON"),
            accepted: accepted.clone(),
            resource: None,
            extensions: None,
        };
        let answer = self.send(body, Some(encode_header(&payment))).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        let code = body.pointer("/error/code").and_then(Value::as_str);
        Answered::new(status, code.unwrap_or_default())
    }

    async fn send(&self, body: &Value, payment: Option<String>) -> Response {
        let mut request = self.http.post(&self.url).json(body);
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        request.send().await.expect("the gateway is up")
    }
}

/// A voucher that this key signs.
#[must_use]
pub fn signed(channel: Pubkey, voucher: Voucher, key: &Keypair) -> EscrowPayload {
    let signature = key.sign_message(&voucher.to_bytes());
    payload(channel, voucher, signature)
}

/// A voucher with any signature.
#[must_use]
pub fn payload(channel: Pubkey, voucher: Voucher, signature: Signature) -> EscrowPayload {
    EscrowPayload::Voucher {
        channel,
        lane: voucher.lane.0,
        generation: voucher.generation.0,
        authorized: voucher.authorized,
        signature,
    }
}

/// A voucher for lane 0 of the channel with this domain.
#[must_use]
pub fn voucher(domain: farthing_protocol::Domain, authorized: u64) -> Voucher {
    Voucher {
        domain,
        lane: LaneIndex(0),
        generation: Generation(0),
        authorized: BaseUnits(authorized),
    }
}
