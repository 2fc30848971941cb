//! The settler's key for signing receipts, one per request. It uses AWS-LC, which signs in half the time. `Ed25519` is
//! deterministic, so the signatures are the same bytes as from any other library.

use aws_lc_rs::signature::Ed25519KeyPair;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::{Signer, SignerError};

/// Signs receipts.
pub(super) struct ReceiptKey {
    key: Ed25519KeyPair,
    address: Pubkey,
}

impl ReceiptKey {
    /// The key of `settler` in the form that AWS-LC needs.
    pub(super) fn new(settler: &Keypair) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(settler.secret_bytes());
        Self {
            key: key.expect("every seed has a key"),
            address: settler.pubkey(),
        }
    }
}

impl Signer for ReceiptKey {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        Ok(self.address)
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        let signature = self.key.try_sign(message);
        let signature = signature.map_err(|error| SignerError::Custom(error.to_string()))?;
        Ok(Signature::try_from(signature.as_ref()).expect("64 bytes are a signature"))
    }

    fn is_interactive(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn its_signatures_are_the_keypairs(seed: [u8; 32], message: Vec<u8>) {
            let settler = Keypair::new_from_array(seed);
            let key = ReceiptKey::new(&settler);
            prop_assert_eq!(key.pubkey(), settler.pubkey());
            prop_assert_eq!(key.key.public_key().as_ref(), &settler.pubkey().to_bytes());
            prop_assert_eq!(key.sign_message(&message), settler.sign_message(&message));
        }
    }
}
