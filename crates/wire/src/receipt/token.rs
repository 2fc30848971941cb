//! The JWS around a receipt's claims.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use jwt_compact::{
    Algorithm, AlgorithmExt, AlgorithmSignature, Header, UntrustedToken, ValidationError,
};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{SIGNATURE_BYTES, Signature};
use solana_sdk::signer::Signer;

use super::Claims;
use crate::signature::SignerKey;

/// The token's type (RFC 8725, section 3.11): the settler signs no other token of this type.
const TYPE: &str = "farthing-receipt+jwt";
/// Maximum length of a token in bytes. A receipt's claims take a sixth of it.
const MAX_LENGTH: usize = 8 * 1024;

/// Why a signed receipt is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedReceiptError {
    /// The token is longer than any receipt.
    #[error("the receipt is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not a JWS in compact form.
    #[error("the receipt is not a JWS in compact form: {0}")]
    Malformed(String),
    /// A token of another type.
    #[error("the token is of another type than \"{TYPE}\"")]
    Type,
    /// Signed by another algorithm, or by none.
    #[error("the receipt is signed by \"{0}\", not by \"EdDSA\"")]
    Algorithm(String),
    /// The settler's address is not a public key that can sign.
    #[error("the settler {0} is not a public key that can sign")]
    Key(Pubkey),
    /// The token's claims are not those of a receipt.
    #[error("the receipt's claims are malformed: {0}")]
    Claims(String),
    /// The signature is not the settler's.
    #[error("the receipt is not signed by the settler {0}")]
    Signature(Pubkey),
    /// The claims name another settler than the one who signed.
    #[error("the receipt names the settler {named}, but is signed by {signed}")]
    Issuer {
        /// The settler that the claims name.
        named: Pubkey,
        /// The settler who signed.
        signed: Pubkey,
    },
}

/// A signature in the form that `jwt_compact` expects.
struct Bytes(Signature);

impl AlgorithmSignature for Bytes {
    const LENGTH: Option<NonZeroUsize> = NonZeroUsize::new(SIGNATURE_BYTES);

    fn try_from_slice(bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(Signature::try_from(bytes)?))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_ref())
    }
}

/// The algorithm `EdDSA`, verified by the predicate of [`crate::signature`].
#[derive(Default)]
struct StrictEd25519<'a>(PhantomData<&'a dyn Signer>);

impl<'a> Algorithm for StrictEd25519<'a> {
    type SigningKey = &'a dyn Signer;
    type VerifyingKey = SignerKey;
    type Signature = Bytes;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("EdDSA")
    }

    fn sign(&self, key: &&'a dyn Signer, message: &[u8]) -> Bytes {
        Bytes(key.sign_message(message))
    }

    fn verify_signature(&self, signature: &Bytes, key: &SignerKey, message: &[u8]) -> bool {
        key.verifies(message, signature.0.as_array())
    }
}

/// Signs a receipt. It is deterministic: the same claims give the same bytes.
///
/// # Panics
/// If `settler` is not the settler that the claims name, or cannot sign without confirmation by a user; both are
/// defects of the caller.
#[must_use]
pub fn sign(settler: &dyn Signer, claims: &Claims) -> String {
    assert_eq!(settler.pubkey(), claims.iss, "the settler signs for itself");
    let header = Header::empty()
        .with_token_type(TYPE)
        .with_key_id(claims.iss.to_string());
    StrictEd25519::default()
        .token(&header, &jwt_compact::Claims::new(claims), &settler)
        .expect("claims serialise to JSON")
}

/// Checks that the settler signed a receipt, and reads it.
///
/// # Errors
/// [`SignedReceiptError`] names the first rule that is broken.
pub fn verify(token: &str, settler: &Pubkey) -> Result<Claims, SignedReceiptError> {
    let token = parse(token)?;
    let key = SignerKey::new(&settler.to_bytes()).map_err(|_| SignedReceiptError::Key(*settler))?;
    let verified = StrictEd25519::default()
        .validator::<Claims>(&key)
        .validate(&token)
        .map_err(|error| explain(error, settler))?;
    let claims = of_token(verified.into_parts().1);
    if claims.iss == *settler {
        Ok(claims)
    } else {
        Err(SignedReceiptError::Issuer {
            named: claims.iss,
            signed: *settler,
        })
    }
}

/// Reads a receipt's claims without verifying its signature, in order to find out which channel's settler must have
/// signed it. Do not trust them before [`verify`] accepts the receipt.
///
/// # Errors
/// [`SignedReceiptError`] if it cannot be read.
pub fn unverified(token: &str) -> Result<Claims, SignedReceiptError> {
    let claims = parse(token)?.deserialize_claims_unchecked();
    claims
        .map(of_token)
        .map_err(|error| SignedReceiptError::Claims(error.to_string()))
}

fn parse(token: &str) -> Result<UntrustedToken<'_>, SignedReceiptError> {
    if token.len() > MAX_LENGTH {
        return Err(SignedReceiptError::TooLong);
    }
    let token = UntrustedToken::new(token)
        .map_err(|error| SignedReceiptError::Malformed(error.to_string()))?;
    if token.header().token_type.as_deref() != Some(TYPE) {
        return Err(SignedReceiptError::Type);
    }
    Ok(token)
}

/// Restores `iat`, which `jwt_compact` moves out of the claims when it reads a token.
fn of_token(claims: jwt_compact::Claims<Claims>) -> Claims {
    let seconds = claims.issued_at.map_or(0, |issued| issued.timestamp());
    Claims {
        iat: u64::try_from(seconds).unwrap_or_default(),
        ..claims.custom
    }
}

fn explain(error: ValidationError, settler: &Pubkey) -> SignedReceiptError {
    match error {
        ValidationError::AlgorithmMismatch { actual, .. } => SignedReceiptError::Algorithm(actual),
        ValidationError::MalformedClaims(error) => SignedReceiptError::Claims(error.to_string()),
        _ => SignedReceiptError::Signature(*settler),
    }
}
