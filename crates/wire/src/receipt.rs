//! Signed receipts: what a request was charged and for what, signed by the channel's settler.
//!
//! A receipt is a JWS in compact form (RFC 7515, `EdDSA`), so that any JOSE library can verify it. It is signed with
//! the settler's key, which the channel names on the chain, so a receipt needs no trust in the provider's web server.
//! ADR 16 explains why a signature over a receipt can never be valid for a transaction.
//!
//! Out of scope: files, HTTP, and comparing the charges with what the lane was debited on the chain.

mod keys;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use farthing_protocol::{BaseUnits, Domain};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

pub use keys::{KeySet, KeySetError};
pub use token::{SignedReceiptError, sign, unverified, verify};

use crate::pricing::{ByteUsage, ModelPrice, RoutePrice, Usage};
use crate::signature::sha256;

/// Path at which a provider publishes the key that its receipts are signed with.
pub const KEY_SET_PATH: &str = "/.well-known/farthing-keys.json";

/// The claims of a receipt.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The channel's settler, who signs the receipt.
    #[serde_as(as = "DisplayFromStr")]
    pub iss: Pubkey,
    /// The key of the lane that paid.
    #[serde_as(as = "DisplayFromStr")]
    pub sub: Pubkey,
    /// When the charge was made, in seconds of Unix time by the provider's clock.
    #[serde(default)]
    pub iat: u64,
    /// CAIP-2 id of the network.
    pub network: String,
    /// The program that holds the money.
    #[serde_as(as = "DisplayFromStr")]
    pub program: Pubkey,
    /// The channel's address.
    #[serde_as(as = "DisplayFromStr")]
    pub channel: Pubkey,
    /// The channel's domain, which identifies one incarnation of the channel's address; in base58.
    #[serde(with = "domain")]
    pub domain: Domain,
    /// The lane.
    pub lane: u16,
    /// The lane's generation.
    pub generation: u16,
    /// Digest of the request ([`request_digest`]) in base58; missing if another server served the request, because the
    /// signer did not see it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub request: Option<Hash>,
    /// What was sold; missing if the provider no longer knows more than the amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold: Option<Sold>,
    /// Charged for this request in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub charged: BaseUnits,
    /// Charged to the lane in total, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub charged_total: BaseUnits,
}

/// What was sold, and at what price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sold {
    /// Tokens of a model.
    Tokens(SoldTokens),
    /// A request of a plain route.
    Route(SoldRoute),
}

impl Sold {
    /// The charge that follows from price and usage, or the one that the service set; at most the maximum.
    #[must_use]
    pub fn charge(&self) -> BaseUnits {
        match self {
            Self::Tokens(sold) => {
                let tokens = sold.price.charge(sold.usage.tokens(), sold.maximum);
                let tools = sold.tools.iter().map(SoldTool::charge);
                let all = tools.fold(tokens.0, |sum, tool| sum.saturating_add(tool.0));
                BaseUnits(all).min(sold.maximum)
            }
            Self::Route(sold) => match sold.set {
                Some(set) => set.min(sold.maximum),
                None => sold.price.charge(sold.usage, sold.maximum),
            },
        }
    }

    /// The most that the request could cost.
    #[must_use]
    pub const fn maximum(&self) -> BaseUnits {
        match self {
            Self::Tokens(sold) => sold.maximum,
            Self::Route(sold) => sold.maximum,
        }
    }
}

/// Tokens of a model that were sold.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoldTokens {
    /// The model.
    pub model: String,
    /// What was used.
    pub usage: CountedUsage,
    /// The price, as it was quoted.
    pub price: ModelPrice,
    /// Calls of tools that the upstream ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<SoldTool>,
    /// The most that the request could cost, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub maximum: BaseUnits,
}

/// Calls of a tool that the upstream ran.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoldTool {
    /// The tool.
    pub tool: String,
    /// The number of calls that are charged.
    pub calls: u64,
    /// Base units per call.
    #[serde_as(as = "DisplayFromStr")]
    pub per_call: BaseUnits,
}

impl SoldTool {
    const fn charge(&self) -> BaseUnits {
        BaseUnits(self.per_call.0.saturating_mul(self.calls))
    }
}

/// A request of a plain route that was sold.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoldRoute {
    /// The route's pattern, as in the price list.
    pub route: String,
    /// Bytes of the request and of the answer.
    pub usage: ByteUsage,
    /// The price, as it was quoted.
    pub price: RoutePrice,
    /// The charge that the service itself set instead of the one by usage, in base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub set: Option<BaseUnits>,
    /// The most that the request could cost, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub maximum: BaseUnits,
}

/// Tokens, and who counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedUsage {
    /// Input tokens, all of them.
    pub input_tokens: u64,
    /// The part of the input that was read from a cache.
    pub cached_tokens: u64,
    /// Output tokens, all of them.
    pub output_tokens: u64,
    /// The part of the output that is reasoning and not shown.
    pub reasoning_tokens: u64,
    /// Who counted.
    pub counted_by: CountedBy,
}

/// Who counted tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CountedBy {
    /// The model's server.
    Upstream,
    /// The provider's gateway, as an estimate from the traffic that it saw.
    Estimate,
}

impl CountedUsage {
    /// Adds to a [`Usage`] who counted its tokens.
    #[must_use]
    pub const fn new(usage: Usage, counted_by: CountedBy) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            cached_tokens: usage.cached_tokens,
            output_tokens: usage.completion_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            counted_by,
        }
    }

    const fn tokens(&self) -> Usage {
        Usage {
            prompt_tokens: self.input_tokens,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.output_tokens,
            reasoning_tokens: self.reasoning_tokens,
        }
    }
}

/// SHA-256 digest of a request: method, path, query without its question mark, and body, each preceded by its length as
/// u64 LE, so that different requests have different digests. The payment is not part of it.
#[must_use]
pub fn request_digest(method: &str, path: &str, query: &str, body: &[u8]) -> [u8; 32] {
    let parts = [method.as_bytes(), path.as_bytes(), query.as_bytes(), body];
    let [a, b, c, d] = parts.map(|part| (part.len() as u64).to_le_bytes());
    sha256(&[&a, parts[0], &b, parts[1], &c, parts[2], &d, parts[3]])
}

mod domain {
    use farthing_protocol::Domain;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use solana_sdk::hash::Hash;

    pub(super) fn serialize<S: Serializer>(domain: &Domain, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Hash::new_from_array(domain.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Domain, D::Error> {
        let text = String::deserialize(from)?;
        let hash: Hash = text.parse().map_err(D::Error::custom)?;
        Ok(Domain(hash.to_bytes()))
    }
}
