//! The two readings, finalized and processed, of one poll or lookup.

use std::sync::Arc;

use solana_sdk::account::Account;
use solana_sdk::pubkey::Pubkey;

use super::Watched;
use crate::chain::view::{Criteria, NotServed, View, merge};
use crate::ledger::ChannelFacts;
use crate::ports::Moment;

/// Two readings of the same accounts.
pub(super) struct Readings {
    pub(super) asked_at: Moment,
    pub(super) finalized_slot: u64,
    pub(super) processed_slot: u64,
    pub(super) finalized: Vec<Option<Account>>,
    pub(super) processed: Vec<Option<Account>>,
}

impl Readings {
    /// The view of the account that was requested at `index`.
    pub(super) fn view(&self, criteria: &Criteria, index: usize, address: &Pubkey) -> View {
        let finalized = self.finalized.get(index).and_then(Option::as_ref);
        let processed = self.processed.get(index).and_then(Option::as_ref);
        merge(criteria, address, finalized, processed)
    }

    pub(super) fn watched(&self, facts: ChannelFacts, refusal: Option<NotServed>) -> Watched {
        Watched {
            facts: Arc::new(facts),
            refusal,
            finalized_slot: self.finalized_slot,
            processed_slot: self.processed_slot,
            observed_at: self.asked_at,
        }
    }
}
