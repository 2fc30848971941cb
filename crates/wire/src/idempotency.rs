//! Idempotency keys: a client may retry a request with the same key without being charged again.

use std::fmt::{self, Display};
use std::str::FromStr;

use rand::Rng;

/// Name of the request header that carries the idempotency key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Name of the x402 extension that may carry the idempotency key instead of the header. A 402 that lists this extension
/// says that the provider supports idempotency keys.
pub const PAYMENT_IDENTIFIER: &str = "payment-identifier";
/// Name of the response header that marks a stored answer to a retry.
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";
/// Minimum length of an idempotency key in characters.
pub const MIN_KEY_LENGTH: usize = 16;
/// Maximum length of an idempotency key in characters.
pub const MAX_KEY_LENGTH: usize = 128;

/// An idempotency key: 16 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// The text is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an idempotency key has {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} visible ASCII characters and no spaces"
)]
pub struct InvalidKey;

impl IdempotencyKey {
    /// A random key of 128 bits.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::thread_rng().r#gen::<u128>()))
    }

    /// The key as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let is_valid = (MIN_KEY_LENGTH..=MAX_KEY_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned())).ok_or(InvalidKey)
    }
}

impl Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_16_to_128_visible_characters() {
        for text in [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcdé",
            &"x".repeat(129),
        ] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidKey), "{text}");
        }
        for text in ["0123456789abcdef", &"~".repeat(128)] {
            assert_eq!(text.parse().as_ref().map(IdempotencyKey::as_str), Ok(text));
        }
        let random = IdempotencyKey::random();
        assert_eq!(random.as_str().parse(), Ok(random.clone()));
        assert_ne!(random, IdempotencyKey::random());
    }
}
