//! The x402 v2 envelope, and the payloads of the scheme `prepaid-escrow`.
//!
//! | header | direction | content |
//! |---|---|---|
//! | `PAYMENT-REQUIRED` | 402 response | base64 of JSON [`PaymentRequired`] |
//! | `PAYMENT-SIGNATURE` | paid request | base64 of JSON [`PaymentPayload`] |
//! | `PAYMENT-RESPONSE` | response | base64 of JSON [`SettleResponse`] |
//!
//! Base64 has the standard alphabet with padding. Amounts are decimal strings of base units; keys,
//! signatures and hashes are base58. Unknown fields are ignored everywhere, because other schemes
//! and later versions add their own.

pub mod facilitator;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_protocol::{BaseUnits, LaneIndex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::{DisplayFromStr, serde_as};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::pricing::PriceList;

/// Name of the header of a 402 that carries the [`PaymentRequired`].
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// Name of the request header that carries the payment, a [`PaymentPayload`].
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// Name of the response header that carries the outcome of the payment, a [`SettleResponse`].
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// Name of the request header that carries the signature over a state query ([`lane_state_path`]).
pub const STATE_SIGNATURE: &str = "farthing-signature";
/// Name of Farthing's payment scheme.
pub const SCHEME: &str = "prepaid-escrow";
/// Name of the tier of offers that do not name a tier.
pub const STANDARD_TIER: &str = "standard";
/// The protocol version of the envelope.
pub const X402_VERSION: u8 = 2;
/// Longest header accepted in either direction, in bytes of base64.
pub const MAX_HEADER_LENGTH: usize = 16 * 1024;
/// Marks the receipt at the end of a stream: an SSE comment line `: farthing-receipt <base64>`.
pub const STREAM_RECEIPT_PREFIX: &str = ": farthing-receipt ";

/// CAIP-2 id of Solana mainnet-beta.
pub const NETWORK_MAINNET: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
/// CAIP-2 id of Solana devnet; local chains use it as well.
pub const NETWORK_DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

/// Why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Longer than [`MAX_HEADER_LENGTH`].
    #[error("payment header is longer than {MAX_HEADER_LENGTH} bytes")]
    TooLong,
    /// Not standard base64 with padding.
    #[error("payment header is not standard base64 with padding")]
    Base64,
    /// The JSON is malformed, or not that of the expected type.
    #[error("payment header is not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Encodes a header value.
///
/// # Panics
/// If `value` cannot be serialised to JSON, which never happens for the types of this module.
#[must_use]
pub fn encode_header<T: Serialize>(value: &T) -> String {
    STANDARD.encode(serde_json::to_vec(value).expect("envelope types serialise to JSON"))
}

/// Decodes a header value.
///
/// # Errors
/// [`HeaderError`] says which layer is malformed.
pub fn decode_header<T: DeserializeOwned>(value: &[u8]) -> Result<T, HeaderError> {
    if value.len() > MAX_HEADER_LENGTH {
        return Err(HeaderError::TooLong);
    }
    let json = STANDARD.decode(value).map_err(|_| HeaderError::Base64)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Content of a 402's [`PAYMENT_REQUIRED`] header: the payments that the provider accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Version of the x402 protocol, 2.
    pub x402_version: u8,
    /// Why the request was not served, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The resource that the payment is for.
    pub resource: ResourceInfo,
    /// The accepted ways to pay, of which the client chooses one.
    pub accepts: Vec<PaymentRequirements>,
    /// Extensions, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Value>,
}

/// The resource that a payment is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// The request's URL.
    pub url: String,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Media type of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// One way to pay.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The payment scheme; Farthing's is [`SCHEME`].
    pub scheme: String,
    /// CAIP-2 network id.
    pub network: String,
    /// The most that this request can cost, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub amount: BaseUnits,
    /// Address of the mint.
    pub asset: String,
    /// The payee's wallet.
    pub pay_to: String,
    /// The longest time that a payment may take, in seconds.
    pub max_timeout_seconds: u64,
    /// Further fields of the scheme; those of [`SCHEME`] are [`EscrowExtra`].
    #[serde(default)]
    pub extra: Value,
}

impl PaymentRequirements {
    /// Reads `extra` as the fields of the scheme `prepaid-escrow`.
    ///
    /// # Errors
    /// If a field is missing or malformed.
    pub fn escrow_extra(&self) -> Result<EscrowExtra, serde_json::Error> {
        EscrowExtra::deserialize(&self.extra)
    }

    /// These requirements without prices, channel state and lane state. A client sends its chosen requirements back in
    /// this form, because the provider does not need those fields and they would only make the request longer.
    #[must_use]
    pub fn without_details(mut self) -> Self {
        if let Value::Object(extra) = &mut self.extra {
            for field in ["pricing", "channelState", "voucherState"] {
                extra.remove(field);
            }
        }
        self
    }
}

/// `extra` of a [`PaymentRequirements`] in scheme `prepaid-escrow`.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EscrowExtra {
    /// The program that holds the money. A client compares it with the program that it was configured with and never
    /// adopts it from here.
    #[serde_as(as = "DisplayFromStr")]
    pub program: Pubkey,
    /// The settler that a channel must name to be served here.
    #[serde_as(as = "DisplayFromStr")]
    pub settler: Pubkey,
    /// The least grace of a channel to be served here, in seconds.
    pub grace_seconds: u32,
    /// The least deposit of a channel to be served here, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub min_deposit: BaseUnits,
    /// The tier whose price this is; absent for the standard tier. A client that accepts the offer sends the tier back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Prices of the requested model or route, so that the client can pay for its next request without a 402.
    #[serde(default, skip_serializing_if = "PriceList::is_empty")]
    pub pricing: PriceList,
    /// State of the channel that the refused voucher named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_state: Option<ChannelStateInfo>,
    /// State of the lane; only present in answer to a valid, unused voucher of the lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_state: Option<VoucherStateInfo>,
}

impl EscrowExtra {
    /// The tier whose price this is; `None` for plain routes, which have no tiers.
    #[must_use]
    pub fn tier(&self) -> Option<&str> {
        let has_tiers = !self.pricing.models.is_empty();
        has_tiers.then(|| self.tier.as_deref().unwrap_or(STANDARD_TIER))
    }
}

/// A channel's state as the verifier knows it; all of it is public on the chain.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStateInfo {
    /// The channel's address.
    #[serde_as(as = "DisplayFromStr")]
    pub channel: Pubkey,
    /// The channel's deposit, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub deposit: BaseUnits,
    /// Debited on-chain, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub debited: BaseUnits,
    /// Whether a close was requested.
    pub closing: bool,
}

/// A lane's state as the verifier knows it: enough for the holder of the lane's key to resynchronise.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherStateInfo {
    /// The highest ceiling signed, in base units; 0 if none.
    #[serde_as(as = "DisplayFromStr")]
    pub authorized: BaseUnits,
    /// The lane key's signature over the voucher for `authorized`; absent if none was signed. A client verifies it
    /// before it trusts the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub signature: Option<Signature>,
    /// Charged so far, in base units, cumulative over generations.
    #[serde_as(as = "DisplayFromStr")]
    pub charged: BaseUnits,
    /// The sum of the maxima of the lane's in-flight requests, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub reserved: BaseUnits,
}

/// Answer to a state query at [`lane_state_path`]: the lane's state, for the holder of its key.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStateInfo {
    /// The lane's figures.
    #[serde(flatten)]
    pub state: VoucherStateInfo,
    /// The channel's deposit in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub deposit: BaseUnits,
    /// All vouchers with a ceiling up to this one count as used, like those up to `charged`; in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub used_floor: BaseUnits,
    /// Further ceilings whose vouchers count as used, in base units.
    #[serde_as(as = "Vec<DisplayFromStr>")]
    pub used: Vec<BaseUnits>,
}

/// The path at which the holder of a lane's key queries the lane's state. The query string contains the lane's
/// `generation` and the time of the query, `at`, in seconds of Unix time. The header [`STATE_SIGNATURE`] contains the
/// key's signature over the [`StateQuery`](farthing_protocol::state_query::StateQuery) in base58.
#[must_use]
pub fn lane_state_path(channel: &Pubkey, lane: LaneIndex) -> String {
    format!("/x402/channels/{channel}/lanes/{lane}")
}

/// Content of a paid request's [`PAYMENT_SIGNATURE`] header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Version of the x402 protocol, 2.
    pub x402_version: u8,
    /// Payload of the scheme; that of [`SCHEME`] is [`EscrowPayload`].
    pub payload: Value,
    /// The way to pay that the client chose.
    pub accepted: PaymentRequirements,
    /// The resource that is paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceInfo>,
    /// Extensions, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Value>,
}

/// `payload` in scheme `prepaid-escrow`.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum EscrowPayload {
    /// A voucher for one lane.
    #[serde(rename_all = "camelCase")]
    Voucher {
        /// The channel's address.
        #[serde_as(as = "DisplayFromStr")]
        channel: Pubkey,
        /// The lane.
        lane: u16,
        /// The lane's generation.
        generation: u16,
        /// The lane's cumulative ceiling in base units.
        #[serde_as(as = "DisplayFromStr")]
        authorized: BaseUnits,
        /// The lane key's signature over the voucher bytes.
        #[serde_as(as = "DisplayFromStr")]
        signature: Signature,
    },
}

/// Content of a response's [`PAYMENT_RESPONSE`] header, and of the receipt comment of a stream.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    /// Whether the payment was accepted.
    pub success: bool,
    /// Why the payment was not accepted, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Why the payment was not accepted, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// The settling transaction; always empty, because many lanes are settled together later.
    pub transaction: String,
    /// CAIP-2 network id.
    pub network: String,
    /// Charged for this request in base units; absent while a stream runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub amount: Option<BaseUnits>,
    /// Totals of the lane after this payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<ReceiptExtra>,
}

/// Whether a payment is reserved or charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PaymentState {
    /// The maximum is reserved; a stream's final figures come in its receipt comment.
    Reserved,
    /// The charge is final and durable.
    Charged,
}

/// Charge of this payment, and totals of its lane after it.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptExtra {
    /// Whether this payment is reserved or charged.
    pub state: PaymentState,
    /// Charged for this request in base units; 0 while reserved.
    #[serde_as(as = "DisplayFromStr")]
    pub charged: BaseUnits,
    /// Charged to the lane in total, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub charged_total: BaseUnits,
    /// The sum of the maxima of the lane's in-flight requests, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub reserved: BaseUnits,
    /// The lane's highest ceiling, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub authorized: BaseUnits,
    /// The channel's deposit in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub deposit: BaseUnits,
    /// The receipt, signed by the channel's settler, which also says what was sold ([`crate::receipt`]); absent while
    /// reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}
