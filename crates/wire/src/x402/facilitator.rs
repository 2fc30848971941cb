//! The API of an x402 facilitator, which a seller's server asks before it serves, and when it has.
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

/// Where a payment is verified.
pub const VERIFY_PATH: &str = "/verify";
/// Where a verified payment is settled.
pub const SETTLE_PATH: &str = "/settle";
/// Where a facilitator says what it supports.
pub const SUPPORTED_PATH: &str = "/supported";
/// The signers of all Solana clusters, among those of [`Supported`].
pub const SOLANA_SIGNERS: &str = "solana:*";

/// A payment as a seller's server received it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// 2.
    pub x402_version: u8,
    /// What the client sent.
    pub payment_payload: PaymentPayload,
    /// What the server asks for. To settle, its amount may be lower than when it was verified.
    pub payment_requirements: PaymentRequirements,
}

/// Whether a payment is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Whether the server may serve.
    pub is_valid: bool,
    /// Why not, a snake-case code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_message: Option<String>,
    /// The lane's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// What the server's next 402 may tell its client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<StateExtra>,
}

/// What a client may know of a payment that was refused: fields of [`EscrowExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateExtra {
    /// State of the channel that the voucher named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_state: Option<ChannelStateInfo>,
    /// State of the lane, only in answer to a valid, unused voucher of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_state: Option<VoucherStateInfo>,
}

/// What a facilitator supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Supported {
    /// The ways to pay.
    pub kinds: Vec<SupportedKind>,
    /// Names of the extensions.
    pub extensions: Vec<String>,
    /// Who signs transactions, by a pattern of networks.
    pub signers: BTreeMap<String, Vec<String>>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// 2.
    pub x402_version: u8,
    /// The scheme.
    pub scheme: String,
    /// CAIP-2 network id.
    pub network: String,
    /// What the server's own 402 must say beside its price.
    pub extra: EscrowExtra,
}

impl Supported {
    /// One way to pay, settled by one key.
    #[must_use]
    pub fn one(kind: SupportedKind, settler: &Pubkey, extensions: Vec<String>) -> Self {
        Self {
            kinds: vec![kind],
            extensions,
            signers: [(SOLANA_SIGNERS.to_owned(), vec![settler.to_string()])].into(),
        }
    }
}
