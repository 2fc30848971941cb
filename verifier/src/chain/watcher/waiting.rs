//! Those who wait for the same lookup.

use std::sync::Arc;

use solana_sdk::pubkey::Pubkey;

use super::{Channels, Lookup};

/// Someone who waits for a lookup; the last one to leave, with or without an answer, clears it away.
pub(super) struct Waiting<'a> {
    pub(super) channels: &'a Channels,
    pub(super) address: Pubkey,
    pub(super) lookup: Lookup,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A poisoned lock means that a panic is under way already.
        let Ok(mut lookups) = self.channels.lookups.lock() else {
            return;
        };
        let is_ours = lookups
            .get(&self.address)
            .is_some_and(|lookup| Arc::ptr_eq(lookup, &self.lookup));
        // The map's reference and this one.
        if is_ours && (self.lookup.initialized() || Arc::strong_count(&self.lookup) <= 2) {
            lookups.remove(&self.address);
        }
    }
}
