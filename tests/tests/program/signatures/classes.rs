//! Tests with the classes of signatures that libraries disagree about, over vouchers and statements.
//!
//! The classes are those of "Taming the many EdDSAs" (<https://eprint.iacr.org/2020/1244>), with every encoding of a
//! point of small order as the key and as R. Each signature satisfies one of the verification equations, so that only
//! the rule under test can refuse it.

use curve25519_dalek::scalar::Scalar;

use super::bytecode::{Bytecode, Signed};
use super::points::{
    Equation, Point, decoded, equation, sign, small_order_encodings, with_order_added,
};
use super::{Verdict, compiled, off_chain};

/// A key or an R.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Of order L.
    Large,
    /// Of order 8L.
    Mixed,
    /// Of small order, and written in one way.
    Small([u8; 32]),
    /// The same, but hashed in its canonical encoding, as verifiers do that decode and encode.
    SmallRehashed([u8; 32]),
}

impl Part {
    fn point(self, scalar: u64) -> Point {
        match self {
            Self::Large => Point::new(Scalar::from(scalar), 0),
            Self::Mixed => Point::new(Scalar::from(scalar), 1),
            Self::Small(encoding) => Point::of_small_order(encoding),
            Self::SmallRehashed(encoding) => {
                let point = decoded(&encoding).expect("a point of small order");
                Point::of_small_order(point.compress().to_bytes())
            }
        }
    }

    /// How the point is written in the end.
    const fn written(self, point: &Point) -> [u8; 32] {
        match self {
            Self::SmallRehashed(encoding) => encoding,
            _ => point.encoding,
        }
    }
}

/// A class.
#[derive(Debug, Clone, Copy)]
struct Class {
    key: Part,
    r: Part,
    /// How many L are added to S.
    excess: u16,
    equation: Equation,
    verdict: Verdict,
}

const fn class(key: Part, r: Part, equation: Equation, verdict: Verdict) -> Class {
    Class {
        key,
        r,
        excess: 0,
        equation,
        verdict,
    }
}

fn classes() -> Vec<Class> {
    use Equation::{Cofactored, Cofactorless};
    use Part::{Large, Mixed, Small, SmallRehashed};
    use Verdict::{Accepted, KeyRefused, SignatureRefused};

    let mut classes = vec![
        class(Large, Large, Cofactorless, Accepted),
        class(Mixed, Large, Cofactorless, Accepted),
        class(Mixed, Mixed, Cofactorless, Accepted),
        class(Large, Mixed, Cofactored, SignatureRefused),
        class(Mixed, Large, Cofactored, SignatureRefused),
        class(Mixed, Mixed, Cofactored, SignatureRefused),
    ];
    // From the least S that is too large to the largest that can be written.
    for excess in 1..16 {
        for key in [Large, Mixed] {
            classes.push(Class {
                excess,
                ..class(key, Large, Cofactorless, SignatureRefused)
            });
        }
    }
    for small in small_order_encodings() {
        // Twice the same if it is canonical.
        for part in [Small(small), SmallRehashed(small)] {
            classes.push(class(Mixed, part, Cofactorless, SignatureRefused));
            classes.push(class(part, Large, Cofactorless, KeyRefused));
            classes.push(class(part, part, Cofactorless, KeyRefused));
        }
    }
    classes
}

impl Class {
    /// A key, a number and a signature of this class over the message with that number.
    fn sign(&self, message: impl Fn(u32) -> Vec<u8>) -> Signed {
        for number in 1..1_000 {
            let key = self.key.point(u64::from(number) + 1_000_003);
            let r = self.r.point(u64::from(number) + 2_000_003);
            let message = message(number);
            let (mut signature, found) = sign(&key, &r, &message);
            if found == self.equation {
                signature = with_order_added(signature, self.excess);
                assert_eq!(equation(&key.encoding, &message, &signature), found);
                signature[..32].copy_from_slice(&self.r.written(&r));
                return Signed {
                    key: self.key.written(&key),
                    authorized: number,
                    signature,
                };
            }
        }
        panic!("no message gives {self:?}");
    }

    /// What is said of it where the key is not checked first.
    const fn verdict_on_signature(&self) -> Verdict {
        match self.verdict {
            Verdict::KeyRefused => Verdict::SignatureRefused,
            verdict => verdict,
        }
    }
}

fn assert_off_chain(class: &Class, signed: &Signed, message: &[u8]) {
    for verdict in [off_chain, compiled].map(|of| of(&signed.key, message, &signed.signature)) {
        assert_eq!(verdict, class.verdict, "{class:?} {signed:?}");
    }
}

#[test]
fn vouchers_of_every_class() {
    let mut bytecode = Bytecode::new();
    for class in classes() {
        let signed = class.sign(|authorized| bytecode.voucher(1, authorized).to_vec());
        assert_off_chain(&class, &signed, &bytecode.voucher(1, signed.authorized));
        let verdict = bytecode.add_and_settle(1, &[signed]);
        assert_eq!(verdict, class.verdict, "{class:?}");
    }
}

#[test]
fn a_signature_is_checked_as_if_the_key_had_not_been() {
    let mut bytecode = Bytecode::new();
    for class in classes() {
        let signed = class.sign(|authorized| bytecode.voucher(0, authorized).to_vec());
        let verdict = bytecode.settle_unchecked(&signed);
        assert_eq!(verdict, class.verdict_on_signature(), "{class:?}");
    }
}

#[test]
fn statements_of_every_class() {
    let mut bytecode = Bytecode::new();
    for class in classes() {
        let signed = class.sign(|total| bytecode.statement(total).to_vec());
        assert_off_chain(&class, &signed, &bytecode.statement(signed.authorized));
        let verdict = bytecode.countersign(&signed);
        assert_eq!(verdict, class.verdict, "{class:?}");
    }
}
