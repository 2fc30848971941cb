//! The key set (RFC 7517) in which a provider publishes the key that signs its receipts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use solana_sdk::pubkey::Pubkey;

/// Why a key set is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The JSON is not a key set.
    #[error("the key set is not the expected JSON: {0}")]
    Json(String),
    /// The set does not contain the settler's key.
    #[error("the key set has no Ed25519 key of the settler {0}")]
    NoKey(Pubkey),
}

/// The keys of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// A key of the set. Keys of types that cannot sign receipts are read, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PublicKey {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default, rename = "use")]
    purpose: String,
    #[serde(default)]
    x: String,
}

impl KeySet {
    /// The key set of one settler.
    #[must_use]
    pub fn of(settler: &Pubkey) -> Self {
        Self {
            keys: vec![PublicKey {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                alg: "EdDSA".to_owned(),
                kid: settler.to_string(),
                purpose: "sig".to_owned(),
                x: URL_SAFE_NO_PAD.encode(settler),
            }],
        }
    }

    /// Reads a key set.
    ///
    /// # Errors
    /// [`KeySetError::Json`].
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        serde_json::from_slice(json).map_err(|error| KeySetError::Json(error.to_string()))
    }

    /// Requires that the set contains a settler's key. Keys are compared by their bytes and not by their `kid`.
    ///
    /// # Errors
    /// [`KeySetError::NoKey`].
    pub fn require(&self, settler: &Pubkey) -> Result<(), KeySetError> {
        let x = URL_SAFE_NO_PAD.encode(settler);
        let mut keys = self.keys.iter();
        keys.any(|key| key.kty == "OKP" && key.crv == "Ed25519" && key.x == x)
            .then_some(())
            .ok_or(KeySetError::NoKey(*settler))
    }
}
