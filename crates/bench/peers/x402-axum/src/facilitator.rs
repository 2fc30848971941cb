//! A facilitator within the seller's process. It verifies one Ed25519 signature a payment and nothing else: it knows
//! no account, no balance and no amount spent before, asks no chain and keeps nothing, so that it takes a payment as
//! often as it comes.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::json;
use x402_types::proto::{
    SettleRequest, SettleResponse, SupportedPaymentKind, SupportedResponse, VerifyRequest,
    VerifyResponse, v2,
};

use crate::{FEE_PAYER, NETWORK, SCHEME};

/// The length of what is signed: that of a voucher.
const VOUCHER_LEN: usize = 47;

/// See the module.
pub struct Facilitator {
    supported: SupportedResponse,
    network: String,
}

/// The part of a request that is the payer's. The middleware has compared the rest with its price. Its writer escapes
/// nothing in base64 and base58, therefore nothing here is copied.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    payment_payload: Payment<'a>,
}

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    payload: SignedVoucher<'a>,
}

#[derive(Deserialize)]
struct SignedVoucher<'a> {
    /// 47 bytes in standard base64.
    voucher: &'a str,
    /// A public key in base58.
    signer: &'a str,
    /// In base58.
    signature: &'a str,
}

impl Facilitator {
    pub fn new() -> Self {
        let network = format!("{}:{}", NETWORK.0, NETWORK.1);
        let exact = SupportedPaymentKind {
            x402_version: v2::X402Version2::VALUE,
            scheme: SCHEME.to_owned(),
            network: network.clone(),
            extra: Some(json!({ "feePayer": FEE_PAYER })),
        };
        let supported = SupportedResponse {
            kinds: vec![exact],
            ..SupportedResponse::default()
        };
        Self { supported, network }
    }
}

impl x402_types::facilitator::Facilitator for Facilitator {
    type Error = Infallible;

    async fn verify(&self, request: &VerifyRequest) -> Result<VerifyResponse, Infallible> {
        let answer = match payer(request.as_str()) {
            Ok(payer) => v2::VerifyResponse::valid(payer.to_owned()),
            Err(reason) => v2::VerifyResponse::invalid(None, reason.to_owned()),
        };
        Ok(answer.into())
    }

    /// There is nothing to settle: the middleware asks only after `verify`.
    async fn settle(&self, _request: &SettleRequest) -> Result<SettleResponse, Infallible> {
        let settled = json!({ "success": true, "transaction": "", "network": self.network });
        Ok(SettleResponse(settled))
    }

    async fn supported(&self) -> Result<SupportedResponse, Infallible> {
        Ok(self.supported.clone())
    }
}

/// Who signed the payment.
///
/// # Errors
/// The protocol's name of what is wrong with it.
fn payer(request: &str) -> Result<&str, &'static str> {
    let request: Request = serde_json::from_str(request).map_err(|_| "invalid_format")?;
    let payment = request.payment_payload.payload;
    let voucher = STANDARD
        .decode(payment.voucher)
        .map_err(|_| "invalid_format")?;
    if voucher.len() != VOUCHER_LEN {
        return Err("invalid_format");
    }
    let mut key = [0; 32];
    let mut signature = [0; 64];
    decode_base58(payment.signer, &mut key).ok_or("invalid_format")?;
    decode_base58(payment.signature, &mut signature).ok_or("invalid_format")?;
    VerifyingKey::from_bytes(&key)
        .and_then(|key| key.verify_strict(&voucher, &Signature::from_bytes(&signature)))
        .map_err(|_| "invalid_signature")?;
    Ok(payment.signer)
}

/// Fills `bytes`, or returns nothing if the text is of another length.
fn decode_base58(text: &str, bytes: &mut [u8]) -> Option<()> {
    let length = bs58::decode(text).onto(&mut *bytes).ok()?;
    (length == bytes.len()).then_some(())
}
