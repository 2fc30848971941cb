//! Requests that wait for the same lookup.

use std::sync::Arc;

use solana_sdk::pubkey::Pubkey;

use super::{Channels, Lookup};

/// A request that waits for a lookup. The lookup is removed from the map once it has a result, or once the last waiting
/// request is dropped.
pub(super) struct Waiting<'a> {
    pub(super) channels: &'a Channels,
    pub(super) address: Pubkey,
    pub(super) lookup: Lookup,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // If the lock is poisoned, a panic is already unwinding.
        let Ok(mut lookups) = self.channels.lookups.lock() else {
            return;
        };
        let is_ours = lookups
            .get(&self.address)
            .is_some_and(|lookup| Arc::ptr_eq(lookup, &self.lookup));
        // Two references remain if nobody else waits: the map's and this one.
        if is_ours && (self.lookup.initialized() || Arc::strong_count(&self.lookup) <= 2) {
            lookups.remove(&self.address);
        }
    }
}
