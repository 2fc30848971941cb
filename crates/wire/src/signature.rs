//! The predicate by which all signatures are verified off-chain. It never accepts a signature that the program refuses.
//!
//! The program verifies with `brine-ed25519`'s `verify_strict`: canonical encodings of A and R
//! (RFC 8032), no small order for either, S < L, and the cofactorless equation compared on the
//! *encoding* of R. `ed25519-dalek`'s `verify` ensures the last two: it compares the encoding of
//! `[S]B - [k]A` with that of R. This module adds the other checks, so that *accepted off-chain implies accepted
//! on-chain*. A is checked once, when a [`SignerKey`] is made. R is never decompressed: an R that equals the encoding
//! of a point is canonical, and has small order only if it is one of eight encodings.

use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use farthing_protocol::encoding::has_canonical_y;

#[cfg(test)]
mod tests;

/// The canonical encodings of all points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> =
    LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// Why bytes cannot be the key of a lane or of a countersigner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignerKeyError {
    /// Not the canonical encoding of a point on the curve.
    #[error("the key is not the canonical encoding of an Ed25519 point")]
    NotCanonical,
    /// `[8]A` is the identity: anyone could sign for it.
    #[error("the key has small order, so anyone could sign for it")]
    SmallOrder,
}

/// A key that may sign vouchers: canonical and of large order, decompressed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerKey(VerifyingKey);

impl SignerKey {
    /// Checks a key as the program does when a lane is added.
    ///
    /// # Errors
    /// [`SignerKeyError`] says which criterion fails.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, SignerKeyError> {
        if !has_canonical_y(bytes) {
            return Err(SignerKeyError::NotCanonical);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| SignerKeyError::NotCanonical)?;
        if key.is_weak() {
            return Err(SignerKeyError::SmallOrder);
        }
        Ok(Self(key))
    }

    /// Whether the program would accept this signature of this key over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let mut r = [0; 32];
        r.copy_from_slice(&signature[..32]);
        has_canonical_y(&r)
            && !SMALL_ORDER.contains(&r)
            && self
                .0
                .verify(message, &Signature::from_bytes(signature))
                .is_ok()
    }

    /// The encoded key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

/// SHA-256 over the concatenation of the parts, to pass to the functions of `farthing-protocol` that hash.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
