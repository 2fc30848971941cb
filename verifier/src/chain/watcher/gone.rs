//! Channels that the chain no longer has. They are asked for again before anybody relies on it, and followed again if
//! they are there after all.

use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::Domain;
use solana_sdk::pubkey::Pubkey;

use super::{ACCOUNTS_PER_REQUEST, Channels, locked};
use crate::chain::view::is_gone;
use crate::ledger::ChannelFacts;
use crate::ports::{Level, Moment};

/// A channel is gone for good if it is still gone after so long.
const GONE_FOR_GOOD: Duration = Duration::from_secs(60 * 60);

/// One incarnation of a channel, which is gone.
#[derive(Debug, Clone)]
pub struct GoneChannel {
    /// Its domain.
    pub domain: Domain,
    /// Its address.
    pub address: Pubkey,
    /// What the chain said of it last, if it did since the start.
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

    /// The channels that are gone and not yet [`forgotten`](Self::forgotten).
    #[must_use]
    pub fn gone(&self) -> usize {
        locked(&self.gone).len()
    }

    /// Whether a channel is one of them.
    #[must_use]
    pub fn is_gone(&self, domain: Domain) -> bool {
        locked(&self.gone).contains_key(&domain)
    }

    /// The channels that were gone a while ago and still are, each of them once in that while. One that is back is
    /// looked up by the next poll.
    pub async fn gone_for_good(&self) -> Vec<GoneChannel> {
        let due = self.due();
        if due.is_empty() {
            return Vec::new();
        }
        let addresses: Vec<Pubkey> = due.iter().map(|channel| channel.address).collect();
        let reading = match self.accounts(&addresses, Level::Finalized).await {
            Ok(reading) => reading,
            Err(error) => {
                tracing::warn!(%error, "cannot ask again for channels that are gone");
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
                    // A node that stands still says the same again.
                    return (reading.slot > gone.slot).then_some(channel);
                }
                tracing::warn!(address = %channel.address, "a channel that was gone is back");
                all.remove(&channel.domain);
                let mut unresolved = locked(&self.unresolved);
                let with_books = unresolved.entry(channel.address).or_default();
                with_books.push(channel.domain);
                None
            })
            .collect()
    }

    /// As many as may be asked for at once.
    fn due(&self) -> Vec<GoneChannel> {
        let now = self.clock.now();
        let all = locked(&self.gone);
        let due = all.values().filter(|gone| gone.ask_at <= now);
        due.take(ACCOUNTS_PER_REQUEST)
            .map(|gone| gone.channel.clone())
            .collect()
    }

    /// Nobody needs to know of a channel any longer.
    pub fn forgotten(&self, domain: Domain) {
        locked(&self.gone).remove(&domain);
    }
}
