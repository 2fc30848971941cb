//! Generates random signatures over vouchers: valid ones, and variants that a forger or a lax library might produce.

use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey};
use farthing_protocol::voucher::VOUCHER_LENGTH;
use rand::distributions::{Distribution, WeightedIndex};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng};

use super::bytecode::Signed;
use super::points::{
    Equation, Point, TORSION, encodings_above_p, sign, small_order_encodings, with_order_added,
};

/// What a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// As an agent signs.
    Honest,
    /// Key and R with torsion components that cancel out.
    TorsionCancels,
    /// Key and R with torsion components that do not, so that only the cofactored equation holds.
    TorsionRemains,
    /// An R of small order, in any encoding.
    SmallR,
    /// A key of small order, in any encoding.
    SmallKey,
    /// Key or R with y >= p.
    AboveP,
    /// One bit of the key differs.
    KeyFlipped,
    /// One bit of R differs.
    RFlipped,
    /// One bit of S differs.
    SFlipped,
    /// One bit of the message differs.
    MessageFlipped,
    /// Multiples of L are added to S.
    SAboveOrder,
    /// Random bytes for the key, the signature or both.
    Noise,
}

/// Each class, and how many of a hundred cases are of it.
const CLASSES: [(Class, u32); 12] = [
    (Class::Honest, 40),
    (Class::TorsionCancels, 14),
    (Class::TorsionRemains, 8),
    (Class::SmallR, 6),
    (Class::SmallKey, 5),
    (Class::AboveP, 3),
    (Class::KeyFlipped, 5),
    (Class::RFlipped, 4),
    (Class::SFlipped, 4),
    (Class::MessageFlipped, 4),
    (Class::SAboveOrder, 5),
    (Class::Noise, 2),
];

/// An endless series of cases, the same for the same seed.
pub struct Cases {
    random: StdRng,
    classes: WeightedIndex<u32>,
    small: Vec<[u8; 32]>,
    above_p: Vec<[u8; 32]>,
}

impl Cases {
    /// The series of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            classes: WeightedIndex::new(CLASSES.map(|(_, weight)| weight))
                .expect("there are weights"),
            small: small_order_encodings(),
            above_p: encodings_above_p().collect(),
        }
    }

    /// A case over the voucher that `message` makes of a ceiling.
    pub fn next(&mut self, message: impl Fn(u32) -> [u8; VOUCHER_LENGTH]) -> (Class, Signed) {
        let (class, _) = CLASSES[self.classes.sample(&mut self.random)];
        let authorized = self.random.next_u32();
        let mut message = message(authorized);
        let (key, signature) = match class {
            Class::TorsionCancels => self.with_torsion(&message, Equation::Cofactorless),
            Class::TorsionRemains => self.with_torsion(&message, Equation::Cofactored),
            Class::SmallR => {
                let key = Point::new(self.scalar(), self.torsion());
                let r = Point::of_small_order(self.encoding_of_small_order());
                (key.encoding, sign(&key, &r, &message).0)
            }
            Class::SmallKey => {
                let key = Point::of_small_order(self.encoding_of_small_order());
                self.sign_by(&key, &message, Equation::Cofactorless)
            }
            Class::MessageFlipped => {
                self.flip(&mut message);
                self.honest(&message)
            }
            _ => {
                let (mut key, mut signature) = self.honest(&message);
                self.change(class, &mut key, &mut signature);
                (key, signature)
            }
        };
        let signed = Signed {
            key,
            authorized,
            signature,
        };
        (class, signed)
    }

    fn change(&mut self, class: Class, key: &mut [u8; 32], signature: &mut [u8; 64]) {
        match class {
            Class::AboveP => {
                let encoding = *self.above_p.choose(&mut self.random).expect("there are 38");
                if self.random.gen_bool(0.5) {
                    *key = encoding;
                } else {
                    signature[..32].copy_from_slice(&encoding);
                }
            }
            Class::KeyFlipped => self.flip(key),
            Class::RFlipped => self.flip(&mut signature[..32]),
            Class::SFlipped => self.flip(&mut signature[32..]),
            Class::SAboveOrder => {
                *signature = with_order_added(*signature, self.random.gen_range(1..16));
            }
            Class::Noise => {
                let which = self.random.gen_range(0..3);
                if which != 0 {
                    self.random.fill_bytes(key);
                }
                if which != 1 {
                    self.random.fill_bytes(signature);
                }
            }
            _ => {}
        }
    }

    fn honest(&mut self, message: &[u8]) -> ([u8; 32], [u8; 64]) {
        let key = SigningKey::from_bytes(&self.bytes());
        let signature = key.sign(message).to_bytes();
        (key.verifying_key().to_bytes(), signature)
    }

    fn with_torsion(&mut self, message: &[u8], wanted: Equation) -> ([u8; 32], [u8; 64]) {
        let key = Point::new(self.scalar(), self.torsion());
        self.sign_by(&key, message, wanted)
    }

    /// The key and a signature that satisfies one equation; the torsion of R is whatever that takes.
    fn sign_by(&mut self, key: &Point, message: &[u8], wanted: Equation) -> ([u8; 32], [u8; 64]) {
        loop {
            for r in Point::family(self.scalar(), self.torsion()) {
                let (signature, equation) = sign(key, &r, message);
                if equation == wanted {
                    return (key.encoding, signature);
                }
            }
        }
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order(self.bytes())
    }

    fn torsion(&mut self) -> usize {
        self.random.gen_range(0..TORSION)
    }

    fn encoding_of_small_order(&mut self) -> [u8; 32] {
        *self.small.choose(&mut self.random).expect("there are 14")
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let bit = self.random.gen_range(0..8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
