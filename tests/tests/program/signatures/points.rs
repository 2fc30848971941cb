//! Curve points with and without a torsion component, every encoding of the points of small order, and signatures with
//! them that satisfy the cofactored verification equation, or the cofactorless one as well.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

/// L, the order of the base point B.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// How many points of small order there are.
pub const TORSION: usize = EIGHT_TORSION.len();
/// The sign of x in an encoding's last byte.
const SIGN: u8 = 0x80;
/// The numbers below 2^255 that are not below p = 2^255 - 19.
const ABOVE_P: u8 = 19;

/// A key, or the R of a signature: `[scalar]B + [torsion]T`, where T has order eight.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    scalar: Scalar,
    torsion: usize,
    /// How it is written, which need not be canonical.
    pub encoding: [u8; 32],
}

impl Point {
    /// The point in its canonical encoding.
    pub fn new(scalar: Scalar, torsion: usize) -> Self {
        Self::beside(&EdwardsPoint::mul_base(&scalar), scalar, torsion)
    }

    /// The eight points with this scalar, from a torsion on.
    pub fn family(scalar: Scalar, torsion: usize) -> impl Iterator<Item = Self> {
        let base = EdwardsPoint::mul_base(&scalar);
        (torsion..torsion + TORSION)
            .map(move |torsion| Self::beside(&base, scalar, torsion % TORSION))
    }

    /// The point of small order that is written so.
    ///
    /// # Panics
    /// If it is not.
    pub fn of_small_order(encoding: [u8; 32]) -> Self {
        let point = decoded(&encoding).expect("a point");
        let torsion = EIGHT_TORSION
            .iter()
            .position(|torsion| *torsion == point)
            .expect("a point of small order");
        Self {
            scalar: Scalar::ZERO,
            torsion,
            encoding,
        }
    }

    fn beside(base: &EdwardsPoint, scalar: Scalar, torsion: usize) -> Self {
        Self {
            scalar,
            torsion,
            encoding: (base + EIGHT_TORSION[torsion]).compress().to_bytes(),
        }
    }
}

/// Which verification equation a signature satisfies, its encodings and orders aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equation {
    /// Neither.
    Neither,
    /// `[8][S]B = [8]R + [8][k]A` only.
    Cofactored,
    /// `[S]B = R + [k]A`, and so the other.
    Cofactorless,
}

/// The equation that a signature satisfies. The points may be written in any way, and S may be of any size.
///
/// # Panics
/// If the key or R is no point.
pub fn equation(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Equation {
    let (r, s) = halves(signature);
    let k = challenge(&r, key, message);
    let [r, key] = [r, *key].map(|encoding| decoded(&encoding).expect("a point"));
    let rest = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(s)) - r - k * key;
    if rest.is_identity() {
        Equation::Cofactorless
    } else if rest.mul_by_cofactor().is_identity() {
        Equation::Cofactored
    } else {
        Equation::Neither
    }
}

/// The signature with this R for which the cofactored equation holds, and the equation that does.
pub fn sign(key: &Point, r: &Point, message: &[u8]) -> ([u8; 64], Equation) {
    let k = challenge(&r.encoding, &key.encoding, message);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r.encoding);
    signature[32..].copy_from_slice((r.scalar + k * key.scalar).as_bytes());
    // Multiples of T repeat every eight.
    let rest = r.torsion + usize::from(k.as_bytes()[0]) * key.torsion;
    let equation = if rest.is_multiple_of(TORSION) {
        Equation::Cofactorless
    } else {
        Equation::Cofactored
    };
    (signature, equation)
}

/// A signature with S + `times` L in place of S, which changes no equation.
///
/// # Panics
/// If that has more than 256 bits.
pub fn with_order_added(mut signature: [u8; 64], times: u16) -> [u8; 64] {
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let [low, high] = (u16::from(*byte) + times * u16::from(order) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    assert_eq!(carry, 0, "S + {times} L has more than 256 bits");
    signature
}

/// Every way to write a point of small order for a decoder that reduces y, and ignores the sign of x = 0.
pub fn small_order_encodings() -> Vec<[u8; 32]> {
    EIGHT_TORSION.iter().flat_map(encodings).collect()
}

/// Every way to write a y-coordinate that is not below p, whether or not it is one of a point.
pub fn encodings_above_p() -> impl Iterator<Item = [u8; 32]> {
    (0..ABOVE_P).flat_map(|excess| [above_p(excess), with_other_sign(above_p(excess))])
}

/// Whether RFC 8032 allows to write a point so.
pub fn is_canonical(encoding: &[u8; 32]) -> bool {
    decoded(encoding).is_some_and(|point| point.compress().to_bytes() == *encoding)
}

/// The point that a lenient decoder reads.
pub fn decoded(encoding: &[u8; 32]) -> Option<EdwardsPoint> {
    CompressedEdwardsY(*encoding).decompress()
}

fn encodings(point: &EdwardsPoint) -> Vec<[u8; 32]> {
    let canonical = point.compress().to_bytes();
    let mut all = vec![canonical];
    // y + p has 255 bits only if y is small.
    if let [y @ ..ABOVE_P, rest @ .., last] = canonical
        && rest.iter().all(|byte| *byte == 0)
        && last & !SIGN == 0
    {
        all.push(above_p(y));
    }
    all.extend(all.clone().into_iter().map(with_other_sign));
    all.retain(|encoding| decoded(encoding) == Some(*point));
    all
}

/// p and what it is exceeded by, with x not negative.
const fn above_p(excess: u8) -> [u8; 32] {
    let mut encoding = [0xff; 32];
    encoding[0] = 0xed + excess;
    encoding[31] = !SIGN;
    encoding
}

const fn with_other_sign(mut encoding: [u8; 32]) -> [u8; 32] {
    encoding[31] ^= SIGN;
    encoding
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(message)
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let mut halves = ([0; 32], [0; 32]);
    halves.0.copy_from_slice(&signature[..32]);
    halves.1.copy_from_slice(&signature[32..]);
    halves
}
