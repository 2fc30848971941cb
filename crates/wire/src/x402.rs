//! The x402 v2 envelope, and what the scheme `prepaid-escrow` puts into it.
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

/// Name of the 402's header.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// Name of the paying request's header.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// Name of the response's header.
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// Name of the header with the signature of a question for a lane's state.
pub const STATE_SIGNATURE: &str = "farthing-signature";
/// The scheme.
pub const SCHEME: &str = "prepaid-escrow";
/// What the tier is called whose offers name none.
pub const STANDARD_TIER: &str = "standard";
/// The protocol version of the envelope.
pub const X402_VERSION: u8 = 2;
/// Longest header accepted in either direction, in bytes of base64.
pub const MAX_HEADER_LENGTH: usize = 16 * 1024;
/// Marks the receipt at the end of a stream: an SSE comment line `: farthing-receipt <base64>`.
pub const STREAM_RECEIPT_PREFIX: &str = ": farthing-receipt ";

/// CAIP-2 id of Solana mainnet-beta.
pub const NETWORK_MAINNET: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
/// CAIP-2 id of Solana devnet; a local chain poses as it.
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
    /// Not the JSON that belongs there.
    #[error("payment header is not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Encodes a header value.
///
/// # Panics
/// Never for the types of this module, whose JSON cannot fail.
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

/// Body of the 402's header: what would be accepted as payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// 2.
    pub x402_version: u8,
    /// Why the request was not served, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is for sale.
    pub resource: ResourceInfo,
    /// The ways to pay, any one of which will do.
    pub accepts: Vec<PaymentRequirements>,
    /// Extensions, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Value>,
}

/// What is for sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// The request's URL.
    pub url: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Type of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// One way to pay.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The scheme; ours is [`SCHEME`].
    pub scheme: String,
    /// CAIP-2 network id.
    pub network: String,
    /// The most that this request can cost, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub amount: BaseUnits,
    /// The mint.
    pub asset: String,
    /// The payee's wallet.
    pub pay_to: String,
    /// How long a payment may take.
    pub max_timeout_seconds: u64,
    /// What the scheme adds; ours is [`EscrowExtra`].
    #[serde(default)]
    pub extra: Value,
}

impl PaymentRequirements {
    /// `extra` as this scheme writes it.
    ///
    /// # Errors
    /// If a field is missing or malformed.
    pub fn escrow_extra(&self) -> Result<EscrowExtra, serde_json::Error> {
        EscrowExtra::deserialize(&self.extra)
    }

    /// The same without state and prices: what a provider gets back, whose request would only be longer with them.
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
    /// The program that holds the money. A client compares it with its own; it never takes it from
    /// here.
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
    /// The tier that this is the price of, if it is not the standard one. Whoever accepts it names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Prices of the requested model, so that a client can pay the next time without a 402.
    #[serde(default, skip_serializing_if = "PriceList::is_empty")]
    pub pricing: PriceList,
    /// State of the channel that the refused voucher named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_state: Option<ChannelStateInfo>,
    /// State of the lane, only in answer to a valid, unused voucher of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_state: Option<VoucherStateInfo>,
}

impl EscrowExtra {
    /// The tier that this is the price of; plain routes have none.
    #[must_use]
    pub fn tier(&self) -> Option<&str> {
        let has_tiers = !self.pricing.models.is_empty();
        has_tiers.then(|| self.tier.as_deref().unwrap_or(STANDARD_TIER))
    }
}

/// What the verifier knows of a channel; all of it is public on the chain.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStateInfo {
    /// The channel's address.
    #[serde_as(as = "DisplayFromStr")]
    pub channel: Pubkey,
    /// Its deposit in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub deposit: BaseUnits,
    /// Debited on-chain, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub debited: BaseUnits,
    /// Whether a close was requested.
    pub closing: bool,
}

/// What the verifier knows of a lane: enough for its key's holder to resynchronise.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherStateInfo {
    /// The highest ceiling signed, in base units; 0 if none.
    #[serde_as(as = "DisplayFromStr")]
    pub authorized: BaseUnits,
    /// The lane key's signature over that ceiling, absent if none. The client checks that it is its
    /// own before it believes the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub signature: Option<Signature>,
    /// Charged so far, in base units, cumulative over generations.
    #[serde_as(as = "DisplayFromStr")]
    pub charged: BaseUnits,
    /// The maxima in flight, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub reserved: BaseUnits,
}

/// What a verifier tells the holder of a lane's key of the lane, who asks at [`lane_state_path`].
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
    /// Vouchers up to this buy nothing any longer, as those up to `charged`.
    #[serde_as(as = "DisplayFromStr")]
    pub used_floor: BaseUnits,
    /// Nor do these.
    #[serde_as(as = "Vec<DisplayFromStr>")]
    pub used: Vec<BaseUnits>,
}

/// The path at which the holder of a lane's key asks for its state. The query names the `generation` and the time of
/// the question, `at`, in seconds of Unix time; the header [`STATE_SIGNATURE`] has the key's signature over the
/// [`StateQuery`](farthing_protocol::state_query::StateQuery) in base58.
#[must_use]
pub fn lane_state_path(channel: &Pubkey, lane: LaneIndex) -> String {
    format!("/x402/channels/{channel}/lanes/{lane}")
}

/// Body of the paying request's header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// 2.
    pub x402_version: u8,
    /// The scheme's payload; ours is [`EscrowPayload`].
    pub payload: Value,
    /// The way to pay that the client chose.
    pub accepted: PaymentRequirements,
    /// What is paid for.
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
        /// Its generation.
        generation: u16,
        /// The lane's cumulative ceiling in base units.
        #[serde_as(as = "DisplayFromStr")]
        authorized: BaseUnits,
        /// The lane key's signature over the voucher bytes.
        #[serde_as(as = "DisplayFromStr")]
        signature: Signature,
    },
}

/// Body of the response's header, and of a stream's receipt.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    /// Whether the payment was accepted.
    pub success: bool,
    /// Why not, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// The settling transaction; empty, because many lanes settle together later.
    pub transaction: String,
    /// CAIP-2 network id.
    pub network: String,
    /// Charged for this request in base units; absent while a stream runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub amount: Option<BaseUnits>,
    /// Figures of the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<ReceiptExtra>,
}

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PaymentState {
    /// The maximum is reserved; a stream's final figures come in its receipt comment.
    Reserved,
    /// The charge is final and durable.
    Charged,
}

/// Figures of the lane after this payment.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptExtra {
    /// How far this payment is.
    pub state: PaymentState,
    /// Charged for this request in base units; 0 while reserved.
    #[serde_as(as = "DisplayFromStr")]
    pub charged: BaseUnits,
    /// Charged to the lane in total, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub charged_total: BaseUnits,
    /// The lane's maxima in flight, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub reserved: BaseUnits,
    /// The lane's highest ceiling, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub authorized: BaseUnits,
    /// The channel's deposit in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub deposit: BaseUnits,
    /// The same with what was sold, signed by the channel's settler ([`crate::receipt`]); absent while reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}
