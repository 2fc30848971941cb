//! Compares the predicate with `ed25519-dalek`'s `verify_strict` plus the checks for canonical encodings: both must
//! agree on every signature. `verify_strict` decompresses R and A each time to see that neither has small order.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use proptest::prelude::*;
use sha2::{Digest, Sha512};

use super::*;

/// 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// Whether `verify_strict` accepts a signature that also has the canonical encodings that the program requires.
fn strictly(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let r: [u8; 32] = signature[..32].try_into().expect("half of it");
    has_canonical_y(key)
        && has_canonical_y(&r)
        && VerifyingKey::from_bytes(key).is_ok_and(|key| {
            let signature = Signature::from_bytes(signature);
            key.verify_strict(message, &signature).is_ok()
        })
}

/// Requires that both predicates agree, and returns whether they accept.
fn agreed(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let strict = strictly(key, message, signature);
    let accepted = SignerKey::new(key).is_ok_and(|key| key.verifies(message, signature));
    assert_eq!(accepted, strict, "{key:02x?} {signature:02x?}");
    accepted
}

/// A signature made with knowledge of both discrete logarithms: key [a]B + T and nonce [r]B + U for points of small
/// order T and U. `r_bytes` replaces the encoding of R if given.
fn sign(
    a: Scalar,
    key_torsion: EdwardsPoint,
    r: Scalar,
    r_torsion: EdwardsPoint,
    r_bytes: Option<[u8; 32]>,
    message: &[u8],
) -> ([u8; 32], [u8; 64]) {
    let key = (ED25519_BASEPOINT_POINT * a + key_torsion).compress();
    let nonce = ED25519_BASEPOINT_POINT * r + r_torsion;
    let nonce = r_bytes.unwrap_or_else(|| nonce.compress().to_bytes());
    let hash = Sha512::new()
        .chain_update(nonce)
        .chain_update(key.as_bytes())
        .chain_update(message);
    let s = r + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * a;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&nonce);
    signature[32..].copy_from_slice(s.as_bytes());
    (key.to_bytes(), signature)
}

/// All encodings that decompress to a point of small order, also those with y >= p or a sign where x = 0.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings = Vec::new();
    for point in EIGHT_TORSION {
        let mut y = point.compress().to_bytes();
        y[31] &= 0x7f;
        let mut above = y;
        let mut carry = 0;
        for (byte, of_p) in above.iter_mut().zip(P) {
            let sum = u16::from(*byte) + u16::from(of_p) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let mut all = vec![y];
        if above[31] < 0x80 && carry == 0 {
            all.push(above);
        }
        for encoding in all {
            let mut signed = encoding;
            signed[31] |= 0x80;
            encodings.extend([encoding, signed]);
        }
    }
    encodings.sort_unstable();
    encodings.dedup();
    encodings.retain(|encoding| {
        let point = CompressedEdwardsY(*encoding).decompress();
        point.is_some_and(|point| point.is_small_order())
    });
    encodings
}

fn scalar() -> impl Strategy<Value = Scalar> {
    any::<[u8; 32]>().prop_map(Scalar::from_bytes_mod_order)
}

#[test]
fn the_eight_encodings_are_those_of_small_order() {
    for encoding in SMALL_ORDER.iter() {
        let point = CompressedEdwardsY(*encoding).decompress();
        assert!(point.is_some_and(|point| point.is_small_order()));
    }
    let canonical = small_order_encodings().into_iter();
    let mut canonical: Vec<_> = canonical
        .filter(|encoding| {
            let point = CompressedEdwardsY(*encoding).decompress();
            point.is_some_and(|point| point.compress().as_bytes() == encoding)
        })
        .collect();
    canonical.sort_unstable();
    let mut listed = SMALL_ORDER.to_vec();
    listed.sort_unstable();
    assert_eq!(listed, canonical);
    assert_eq!(small_order_encodings().len(), 14);
}

#[test]
fn an_r_of_small_order_that_fits_is_refused() {
    // The equation holds, so only the small order of R can be the reason to refuse it.
    let a = Scalar::from(7_u8);
    let mut fitting = 0;
    for torsion in EIGHT_TORSION {
        for key_torsion in EIGHT_TORSION {
            for message in 0..64_u8 {
                let (key, signature) =
                    sign(a, key_torsion, Scalar::ZERO, torsion, None, &[message]);
                let key = SignerKey::new(&key).expect("a key of large order");
                let parsed = Signature::from_bytes(&signature);
                fitting += u32::from(key.0.verify(&[message], &parsed).is_ok());
                assert!(!agreed(&key.to_bytes(), &[message], &signature));
            }
        }
    }
    assert!(fitting > 64, "{fitting}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn honest_signatures_are_accepted(
        a in scalar(),
        r in scalar(),
        message in any::<[u8; 47]>(),
    ) {
        let none = EdwardsPoint::identity();
        let (key, signature) = sign(a, none, r, none, None, &message);
        prop_assert!(agreed(&key, &message, &signature));
    }

    #[test]
    fn whatever_the_torsion_both_agree(
        a in prop_oneof![4 => scalar(), 1 => Just(Scalar::ZERO)],
        r in prop_oneof![4 => scalar(), 1 => Just(Scalar::ZERO)],
        key_torsion in 0..8_usize,
        r_torsion in 0..8_usize,
        message in any::<[u8; 47]>(),
    ) {
        let (key_torsion, r_torsion) = (EIGHT_TORSION[key_torsion], EIGHT_TORSION[r_torsion]);
        let (key, signature) = sign(a, key_torsion, r, r_torsion, None, &message);
        agreed(&key, &message, &signature);
    }

    #[test]
    fn whatever_is_changed_both_agree(
        a in scalar(),
        r in scalar(),
        message in any::<[u8; 47]>(),
        bit in 0..(96 * 8_usize),
        multiples in 0..16_u8,
    ) {
        let none = EdwardsPoint::identity();
        let (mut key, mut signature) = sign(a, none, r, none, None, &message);
        let flip = 1 << (bit % 8);
        match bit / 8 {
            byte @ 0..32 => key[byte] ^= flip,
            byte => signature[byte - 32] ^= flip,
        }
        agreed(&key, &message, &signature);
        // S plus multiples of L, which `Scalar` cannot represent.
        let (key, mut signature) = sign(a, none, r, none, None, &message);
        let mut order = (-Scalar::ONE).to_bytes();
        order[0] += 1;
        for _ in 0..multiples {
            let mut carry = 0;
            for (byte, of_order) in signature[32..].iter_mut().zip(order) {
                let sum = u16::from(*byte) + u16::from(of_order) + carry;
                *byte = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
        }
        prop_assert_eq!(agreed(&key, &message, &signature), multiples == 0);
    }

    #[test]
    fn whatever_encoding_of_small_order_both_agree(
        a in scalar(),
        key_torsion in 0..8_usize,
        which in 0..14_usize,
        message in any::<[u8; 47]>(),
        noise in any::<[u8; 64]>(),
    ) {
        let encoding = small_order_encodings()[which];
        let key_torsion = EIGHT_TORSION[key_torsion];
        let (key, signature) =
            sign(a, key_torsion, Scalar::ZERO, key_torsion, Some(encoding), &message);
        prop_assert!(!agreed(&key, &message, &signature));
        // The encoding as the key as well, also with an arbitrary signature.
        prop_assert!(!agreed(&encoding, &message, &signature));
        agreed(&key, &message, &noise);
        let mut above = noise;
        above[..32].copy_from_slice(&P);
        above[0] = above[0].wrapping_add(noise[0] % 19);
        prop_assert!(!agreed(&key, &message, &above));
    }
}
