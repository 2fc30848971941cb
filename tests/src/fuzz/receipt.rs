//! Fuzz target for signed receipts, which clients and third parties read.
//!
//! Every input is read or refused with a printable error. Claims that the settler signed are read as they are: signed
//! again, they are a receipt with the same claims, and the signature of any other key is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use farthing_wire::receipt::{Claims, sign, unverified, verify};
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

/// Longest token that is read, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// Bit of the first byte that is set if the rest is a header's JSON, a line feed and the claims' JSON, which are to be
/// signed. Otherwise the rest is a token.
pub const TO_SIGN: u8 = 1;

/// The key that signs headers and claims.
#[must_use]
pub fn settler() -> Keypair {
    Keypair::new_from_array([5; 32])
}

/// The first byte says what follows.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let token = token(selector, data);
    let settler = settler();
    let read = unverified(&token);
    match verify(&token, &settler.pubkey()) {
        Ok(claims) => {
            assert_eq!(
                read.as_ref(),
                Ok(&claims),
                "verified and not, it says the same"
            );
            same_again(&settler, &claims);
            let stranger = Keypair::new_from_array([6; 32]).pubkey();
            verify(&token, &stranger).expect_err("nobody else signed it");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match read {
        // As if the settler had signed it.
        Ok(claims) => same_again(
            &settler,
            &Claims {
                iss: settler.pubkey(),
                ..claims
            },
        ),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What an input's rest is, or is signed to be.
#[must_use]
pub fn token(selector: u8, data: &[u8]) -> String {
    if selector & TO_SIGN == 0 {
        String::from_utf8_lossy(data).into_owned()
    } else {
        signed(data)
    }
}

/// A token of any header and claims, with a signature that is good for them.
fn signed(data: &[u8]) -> String {
    let line_feed = data.iter().position(|byte| *byte == b'\n');
    let (header, claims) = data.split_at(line_feed.unwrap_or(data.len()));
    let claims = claims.get(1..).unwrap_or_default();
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = signed.join(".");
    let signature = settler().sign_message(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What is read is signed and read as the same.
fn same_again(settler: &Keypair, claims: &Claims) {
    let token = sign(settler, claims);
    // Escapes can make it longer than what may be read.
    if token.len() <= MAX_LENGTH {
        assert_eq!(verify(&token, &settler.pubkey()).as_ref(), Ok(claims));
    }
}
