//! Tests that the verifier and the program accept the same signatures.
//!
//! Three implementations are compared, and must agree on every signature: the off-chain predicate; the program's
//! predicate compiled for this machine, which takes any message; and the program's bytecode, which takes vouchers and
//! statements.

use farthing::error::FarthingError;
use farthing::signature::{is_signed, require_signing_key};
use farthing_wire::signature::SignerKey;
use solana_sdk::pubkey::Pubkey;

use super::codes::code;

mod bytecode;
mod cases;
mod classes;
mod differential;
mod keys;
mod points;
mod vectors;

/// What becomes of a signature and its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Nothing may be signed with the key.
    KeyRefused,
    /// The key is usable, but did not sign the message.
    SignatureRefused,
    /// The key signed the message.
    Accepted,
}

impl Verdict {
    /// The verdict behind a code of the program, or `None` if the code is about something else.
    fn of_code(found: u32) -> Option<Self> {
        let key = [
            FarthingError::KeyNotOnCurve,
            FarthingError::KeyNotCanonical,
            FarthingError::KeyOfSmallOrder,
        ];
        let signature = [
            FarthingError::VoucherNotSigned,
            FarthingError::StatementNotSigned,
        ];
        if key.into_iter().any(|error| code(error) == found) {
            Some(Self::KeyRefused)
        } else if signature.into_iter().any(|error| code(error) == found) {
            Some(Self::SignatureRefused)
        } else {
            None
        }
    }

    const fn of_signature(accepted: bool) -> Self {
        if accepted {
            Self::Accepted
        } else {
            Self::SignatureRefused
        }
    }
}

/// The verifier's verdict.
fn off_chain(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Verdict {
    SignerKey::new(key).map_or(Verdict::KeyRefused, |key| {
        Verdict::of_signature(key.verifies(message, signature))
    })
}

/// The verdict of the program's code, compiled for this machine.
fn compiled(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Verdict {
    let key = Pubkey::new_from_array(*key);
    require_signing_key(&key).map_or(Verdict::KeyRefused, |()| {
        Verdict::of_signature(is_signed(message, &key, signature))
    })
}
