//! Cache of the channels that are unknown or not served, bounded in time and space.

use std::collections::HashMap;

use solana_sdk::pubkey::Pubkey;

use super::ChannelError;
use crate::ports::Moment;

/// Maximum number of cached refusals. An attacker who names more channels than this causes lookups, whose concurrency
/// is bounded as well.
const MAX_REFUSED: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct RefusedChannels {
    until: HashMap<Pubkey, (ChannelError, Moment)>,
}

impl RefusedChannels {
    pub(super) fn get(&mut self, address: &Pubkey, now: Moment) -> Option<ChannelError> {
        match self.until.get(address) {
            Some((error, until)) if now < *until => Some(error.clone()),
            Some(_) => {
                self.until.remove(address);
                None
            }
            None => None,
        }
    }

    pub(super) fn insert(
        &mut self,
        address: Pubkey,
        error: ChannelError,
        until: Moment,
        now: Moment,
    ) {
        if self.until.len() >= MAX_REFUSED {
            self.until.retain(|_, (_, until)| now < *until);
        }
        if self.until.len() >= MAX_REFUSED {
            self.until.clear();
        }
        self.until.insert(address, (error, until));
    }
}
