//! Channels that the chain no longer has. Each is read again before its ledger entries are dropped, and is followed
//! again if it exists after all.

use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::Domain;
use solana_sdk::pubkey::Pubkey;

use super::{ACCOUNTS_PER_REQUEST, Channels, locked};
use crate::chain::view::is_gone;
use crate::ledger::ChannelFacts;
use crate::ports::{Level, Moment};

/// How long a channel must be gone to count as gone for good.
const GONE_FOR_GOOD: Duration = Duration::from_secs(60 * 60);

/// One incarnation of a channel that is gone from the chain.
#[derive(Debug, Clone)]
pub struct GoneChannel {
    /// Its domain.
    pub domain: Domain,
    /// Its address.
    pub address: Pubkey,
    /// Its last state on the chain, if it was read since the start.
    pub seen: Option<Arc<ChannelFacts>>,
}

#[derive(Debug)]
pub(super) struct Gone {
    channel: GoneChannel,
    /// The finalized slot of the reading that did not have it.
    slot: u64,
    ask_at: Moment,
}

impl Channels {
    pub(super) fn note_gone(
        &self,
        domain: Domain,
        address: Pubkey,
        seen: Option<Arc<ChannelFacts>>,
        slot: u64,
    ) {
        let gone = Gone {
            channel: GoneChannel {
                domain,
                address,
                seen,
            },
            slot,
            ask_at: self.clock.now().after(GONE_FOR_GOOD),
        };
        locked(&self.gone).insert(domain, gone);
    }

    /// Number of channels that are gone and not yet [`forgotten`](Self::forgotten).
    #[must_use]
    pub fn gone(&self) -> usize {
        locked(&self.gone).len()
    }

    /// Whether a channel is gone and not yet [`forgotten`](Self::forgotten).
    #[must_use]
    pub fn is_gone(&self, domain: Domain) -> bool {
        locked(&self.gone).contains_key(&domain)
    }

    /// The channels that have been gone for an hour and still are. Each is checked, and returned, at most once per
    /// hour. A channel that exists again is looked up by the next poll.
    pub async fn gone_for_good(&self) -> Vec<GoneChannel> {
        let due = self.due();
        if due.is_empty() {
            return Vec::new();
        }
        let addresses: Vec<Pubkey> = due.iter().map(|channel| channel.address).collect();
        let reading = match self.accounts(&addresses, Level::Finalized).await {
            Ok(reading) => reading,
            Err(error) => {
                tracing::warn!(%error, "cannot check whether gone channels are still gone; trying again later");
                return Vec::new();
            }
        };
        let ask_at = self.clock.now().after(GONE_FOR_GOOD);
        let mut all = locked(&self.gone);
        let asked = due.into_iter().zip(&reading.accounts);
        asked
            .filter_map(|(channel, account)| {
                let gone = all.get_mut(&channel.domain)?;
                if is_gone(&self.criteria.program, channel.domain, account.as_ref()) {
                    gone.ask_at = ask_at;
                    // A node whose slot did not advance only repeats the earlier reading.
                    return (reading.slot > gone.slot).then_some(channel);
                }
                tracing::warn!(address = %channel.address, "a gone channel is on the chain again");
                all.remove(&channel.domain);
                let mut unresolved = locked(&self.unresolved);
                let with_books = unresolved.entry(channel.address).or_default();
                with_books.push(channel.domain);
                None
            })
            .collect()
    }

    /// The gone channels that are due to be checked, as many as one request can read.
    fn due(&self) -> Vec<GoneChannel> {
        let now = self.clock.now();
        let all = locked(&self.gone);
        let due = all.values().filter(|gone| gone.ask_at <= now);
        due.take(ACCOUNTS_PER_REQUEST)
            .map(|gone| gone.channel.clone())
            .collect()
    }

    /// Drops a gone channel, once its ledger entries are dropped.
    pub fn forgotten(&self, domain: Domain) {
        locked(&self.gone).remove(&domain);
    }
}
