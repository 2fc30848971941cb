//! The API of an x402 facilitator. A seller's server asks it to verify a payment before it serves the request, and to
//! settle the payment afterwards.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /verify` | [`FacilitatorRequest`] | [`VerifyResponse`] |
//! | `POST /settle` | [`FacilitatorRequest`] | [`SettleResponse`](super::SettleResponse) |
//! | `GET /supported` | | [`Supported`] |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use solana_sdk::pubkey::Pubkey;

use super::{ChannelStateInfo, EscrowExtra, PaymentPayload, PaymentRequirements, VoucherStateInfo};

/// Path of the endpoint that verifies a payment.
pub const VERIFY_PATH: &str = "/verify";
/// Path of the endpoint that settles a verified payment.
pub const SETTLE_PATH: &str = "/settle";
/// Path of the endpoint that returns what the facilitator supports.
pub const SUPPORTED_PATH: &str = "/supported";
/// The key of [`Supported::signers`] for the signers on all Solana clusters.
pub const SOLANA_SIGNERS: &str = "solana:*";

/// A payment as a seller's server received it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// Version of the x402 protocol, 2.
    pub x402_version: u8,
    /// The payment that the client sent.
    pub payment_payload: PaymentPayload,
    /// The payment that the server requires. When settling, the amount may be lower than when verifying.
    pub payment_requirements: PaymentRequirements,
}

/// Answer to a request to verify a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Whether the payment is valid, so that the server may serve the request.
    pub is_valid: bool,
    /// Why the payment is not valid, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<String>,
    /// Why the payment is not valid, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_message: Option<String>,
    /// The lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// State that the server may include in its next 402 to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<StateExtra>,
}

/// Channel and lane state that a client may see after a refused payment. The fields are those of [`EscrowExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateExtra {
    /// State of the channel that the voucher named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_state: Option<ChannelStateInfo>,
    /// State of the lane; only present in answer to a valid, unused voucher of the lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_state: Option<VoucherStateInfo>,
}

/// What a facilitator supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Supported {
    /// The supported ways to pay.
    pub kinds: Vec<SupportedKind>,
    /// Names of the extensions.
    pub extensions: Vec<String>,
    /// Addresses that sign transactions, by network pattern such as [`SOLANA_SIGNERS`].
    pub signers: BTreeMap<String, Vec<String>>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// Version of the x402 protocol, 2.
    pub x402_version: u8,
    /// The scheme.
    pub scheme: String,
    /// CAIP-2 network id.
    pub network: String,
    /// Fields that the server must include in the `extra` of its own 402s, beside its price.
    pub extra: EscrowExtra,
}

impl Supported {
    /// A facilitator that supports one way to pay, settled by one key.
    #[must_use]
    pub fn one(kind: SupportedKind, settler: &Pubkey, extensions: Vec<String>) -> Self {
        Self {
            kinds: vec![kind],
            extensions,
            signers: [(SOLANA_SIGNERS.to_owned(), vec![settler.to_string()])].into(),
        }
    }
}
