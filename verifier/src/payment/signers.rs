//! Cache of decompressed lane keys that signed valid vouchers. A key never changes, so entries cannot become stale.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use farthing_wire::signature::SignerKey;

/// Maximum number of cached keys, of about 230 bytes each.
const MAX_KEYS: usize = 8_192;

/// Cache of keys that made a valid signature.
#[derive(Debug, Default)]
pub(super) struct Signers(RwLock<HashMap<[u8; 32], SignerKey>>);

impl Signers {
    /// Whether `signer` signed `message`. Only keys with a valid signature are cached.
    pub(super) fn is_signed(
        &self,
        message: &[u8],
        signature: &[u8; 64],
        signer: &[u8; 32],
    ) -> bool {
        if let Some(key) = self.known(signer) {
            return key.verifies(message, signature);
        }
        let Ok(key) = SignerKey::new(signer) else {
            return false;
        };
        let is_signed = key.verifies(message, signature);
        if is_signed {
            self.remember(key);
        }
        is_signed
    }

    fn known(&self, signer: &[u8; 32]) -> Option<SignerKey> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(signer).copied()
    }

    fn remember(&self, key: SignerKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS {
            // Keys in use are cached again with their next signature.
            keys.clear();
        }
        keys.insert(key.to_bytes(), key);
    }
}

#[cfg(test)]
mod tests {
    use solana_sdk::signature::Keypair;
    use solana_sdk::signer::Signer;

    use super::*;

    fn known(signers: &Signers) -> usize {
        signers.0.read().expect("no panic").len()
    }

    #[test]
    fn a_key_says_the_same_when_it_is_known() {
        let signers = Signers::default();
        let (key, other) = (Keypair::new(), Keypair::new());
        let (signer, message) = (key.pubkey().to_bytes(), b"a voucher");
        let good = <[u8; 64]>::from(key.sign_message(message));
        let bad = <[u8; 64]>::from(other.sign_message(message));
        assert!(!signers.is_signed(message, &bad, &signer));
        assert_eq!(known(&signers), 0);
        for _ in 0..2 {
            assert!(signers.is_signed(message, &good, &signer));
            assert!(!signers.is_signed(message, &bad, &signer));
            assert!(!signers.is_signed(b"another", &good, &signer));
            assert_eq!(known(&signers), 1);
        }
        // The identity point: as a weak key it would accept signatures of any message.
        let mut weak = [0; 32];
        weak[0] = 1;
        assert!(!signers.is_signed(message, &good, &weak));
        assert_eq!(known(&signers), 1);
    }

    #[test]
    fn so_many_keys_are_remembered_at_most() {
        let signers = Signers::default();
        let key = SignerKey::new(&Keypair::new().pubkey().to_bytes()).expect("a key");
        let all = (0..MAX_KEYS as u64).map(|index| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&index.to_le_bytes());
            (name, key)
        });
        signers.0.write().expect("no panic").extend(all);
        signers.remember(key);
        assert_eq!(known(&signers), 1);
        assert_eq!(signers.known(&key.to_bytes()), Some(key));
    }
}
