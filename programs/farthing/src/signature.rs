//! Keys and signatures: which keys a lane or countersigner may have, and whether a message is signed.
//!
//! Required relation: whatever the verifier accepts off-chain, the program accepts. Both use the strict,
//! cofactorless check over keys that passed [`require_signing_key`].

use anchor_lang::prelude::{Pubkey, Result, require};
use brine_ed25519::verify_strict;
use solana_curve25519::edwards::{PodEdwardsPoint, add_edwards, multiply_edwards};
use solana_curve25519::scalar::PodScalar;

use crate::error::FarthingError;

/// The neutral element: x = 0, y = 1.
const IDENTITY: PodEdwardsPoint = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    PodEdwardsPoint(bytes)
};

/// The curve's cofactor.
const EIGHT: PodScalar = {
    let mut bytes = [0; 32];
    bytes[0] = 8;
    PodScalar(bytes)
};

/// SHA-256 by the runtime's syscall.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    solana_sha256_hasher::hashv(parts).to_bytes()
}

/// Requires the canonical encoding of a curve point A with `[8]A` other than the identity.
///
/// A small-order key would let anybody forge signatures. It is found by the multiplication, not by a list,
/// because lists of small-order encodings have been incomplete before.
///
/// # Errors
/// One for each way in which `key` is not a usable key.
pub fn require_signing_key(key: &Pubkey) -> Result<()> {
    let point = PodEdwardsPoint(key.to_bytes());
    // The runtime decodes non-canonical encodings as well and always encodes canonically, so the sum with
    // the identity has the same bytes only if they were canonical.
    let encoded = add_edwards(&point, &IDENTITY);
    require!(encoded.is_some(), FarthingError::KeyNotOnCurve);
    require!(encoded == Some(point), FarthingError::KeyNotCanonical);
    let cleared = multiply_edwards(&EIGHT, &point);
    require!(
        cleared.is_some_and(|cleared| cleared != IDENTITY),
        FarthingError::KeyOfSmallOrder
    );
    Ok(())
}

/// Whether `signer`, a key that passed [`require_signing_key`], signed `message`.
#[must_use]
#[inline(never)]
pub fn is_signed(message: &[u8], signer: &Pubkey, signature: &[u8; 64]) -> bool {
    verify_strict(signer, signature, &[message]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{FarthingError, require_signing_key};
    use anchor_lang::prelude::{Pubkey, Result};

    fn code(result: Result<()>) -> Option<u32> {
        match result {
            Ok(()) => None,
            Err(anchor_lang::error::Error::AnchorError(error)) => Some(error.error_code_number),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn little_endian(low: u8, high: u8) -> Pubkey {
        let mut bytes = [0; 32];
        bytes[0] = low;
        bytes[31] = high;
        Pubkey::new_from_array(bytes)
    }

    #[test]
    fn the_base_point_is_a_key() {
        let mut base = [0x66; 32];
        base[0] = 0x58;
        assert_eq!(
            code(require_signing_key(&Pubkey::new_from_array(base))),
            None
        );
    }

    #[test]
    fn points_of_small_order_are_not_keys() {
        // The identity, and the two points of order four with y = 0.
        for key in [
            little_endian(1, 0),
            little_endian(0, 0),
            little_endian(0, 0x80),
        ] {
            assert_eq!(
                code(require_signing_key(&key)),
                Some(FarthingError::KeyOfSmallOrder.into())
            );
        }
    }

    #[test]
    fn negative_zero_is_not_canonical() {
        assert_eq!(
            code(require_signing_key(&little_endian(1, 0x80))),
            Some(FarthingError::KeyNotCanonical.into())
        );
    }

    #[test]
    fn a_derived_address_is_not_a_key() {
        let (off_curve, _) = Pubkey::find_program_address(&[b"x"], &crate::ID);
        assert_eq!(
            code(require_signing_key(&off_curve)),
            Some(FarthingError::KeyNotOnCurve.into())
        );
    }
}
