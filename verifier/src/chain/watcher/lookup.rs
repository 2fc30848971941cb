//! The first reading of channels: of one that a request names, or of all channels in the ledger.

use std::sync::Arc;

use farthing_chain::ChainError;
use futures_util::stream::{self, StreamExt};
use solana_sdk::account::Account;
use solana_sdk::pubkey::Pubkey;

use super::{ACCOUNTS_PER_REQUEST, CONCURRENT_POLLS, ChannelError, Channels, Watched, locked};
use crate::chain::view::{NotServed, View, require_token};
use crate::ledger::ChannelFacts;
use crate::ports::Level;

type Found = Result<Arc<ChannelFacts>, ChannelError>;

impl Channels {
    pub(super) async fn look_up(&self, address: Pubkey) -> Result<Arc<ChannelFacts>, ChannelError> {
        // A lookup that ended just before this one began may have found it already.
        if let Some(watched) = self.watched(&address) {
            return self.judge(&watched);
        }
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| ChannelError::Unavailable)?;
        match self.read_first(&[address]).await {
            Ok((_, mut found)) => found.pop().unwrap_or(Err(ChannelError::Unavailable)),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot look up a channel");
                Err(ChannelError::Unavailable)
            }
        }
    }

    /// Reads channels for the first time, including their escrows' tokens; follows those of this verifier and caches
    /// the refusal of the others. Returns the finalized slot of the reading and one result per address.
    async fn read_first(&self, addresses: &[Pubkey]) -> Result<(u64, Vec<Found>), ChainError> {
        let readings = self.read_both(addresses).await?;
        let views = addresses.iter().enumerate();
        let views: Vec<View> = views
            .map(|(index, address)| readings.view(&self.criteria, index, address))
            .collect();
        let escrows = views.iter().filter_map(|view| match view {
            View::Ours { facts, .. } => Some(facts.escrow),
            View::Unknown | View::Foreign(_) => None,
        });
        let escrows: Vec<Pubkey> = escrows.collect();
        let mut escrows = if escrows.is_empty() {
            Vec::new().into_iter()
        } else {
            let reading = self.accounts(&escrows, Level::Finalized).await?;
            reading.accounts.into_iter()
        };
        let outcomes = addresses.iter().zip(views).map(|(address, view)| {
            let watched = match view {
                View::Unknown => Err(ChannelError::Unknown),
                View::Foreign(reason) => Err(reason.into()),
                View::Ours { facts, refusal } => {
                    let escrow = escrows.next().flatten();
                    self.admit(address, refusal.as_ref(), escrow.as_ref())
                        .map(|()| readings.watched(facts, refusal))
                }
            };
            match watched {
                Ok(watched) => self.follow(*address, watched),
                Err(refusal) => {
                    let until = self.clock.now().after(self.limits.unknown_cache);
                    locked(&self.refused).insert(
                        *address,
                        refusal.clone(),
                        until,
                        self.clock.now(),
                    );
                    Err(refusal)
                }
            }
        });
        Ok((readings.finalized_slot, outcomes.collect()))
    }

    /// Checks whether a channel that names this verifier is to be followed.
    fn admit(
        &self,
        address: &Pubkey,
        refusal: Option<&NotServed>,
        escrow: Option<&Account>,
    ) -> Result<(), ChannelError> {
        require_token(&self.criteria, escrow)?;
        match refusal {
            // A channel in the ledger is followed nevertheless, because its unsettled charges must be settled.
            Some(refusal) if !locked(&self.unresolved).contains_key(address) => {
                Err(refusal.clone().into())
            }
            _ => Ok(()),
        }
    }

    fn follow(&self, address: Pubkey, watched: Watched) -> Result<Arc<ChannelFacts>, ChannelError> {
        let outcome = self.judge(&watched);
        let has_books = locked(&self.unresolved).contains_key(&address);
        let mut all = self.write_watched();
        if all.len() >= self.limits.max_channels && !has_books {
            return Err(NotServed::Full.into());
        }
        tracing::info!(%address, lanes = watched.facts.lanes.len(), "following a channel");
        all.insert(address, watched);
        outcome
    }

    /// Looks up the channels in the ledger that have not been read since the start.
    pub(super) async fn resolve(&self) {
        let unresolved: Vec<Pubkey> = locked(&self.unresolved).keys().copied().collect();
        stream::iter(unresolved.chunks(ACCOUNTS_PER_REQUEST))
            .for_each_concurrent(CONCURRENT_POLLS, |chunk| async move {
                match self.read_first(chunk).await {
                    Ok((slot, found)) => self.resolved(chunk, slot, &found),
                    Err(error) => tracing::warn!(%error, "cannot look up channels"),
                }
            })
            .await;
    }

    fn resolved(&self, addresses: &[Pubkey], slot: u64, found: &[Found]) {
        for (address, found) in addresses.iter().zip(found) {
            if let Err(error) = found {
                tracing::warn!(%address, %error, "a channel in the ledger is not served");
            }
            if found == &Err(ChannelError::Unavailable) {
                continue;
            }
            let with_books = locked(&self.unresolved).remove(address);
            for domain in with_books.into_iter().flatten() {
                let is_gone = match found {
                    Ok(facts) => facts.domain != domain,
                    // Lamports can be sent to the address of a closed channel, which makes it an account again.
                    Err(ChannelError::NotServed(NotServed::OtherProgram { .. })) => true,
                    Err(error) => *error == ChannelError::Unknown,
                };
                if is_gone {
                    self.note_gone(domain, *address, None, slot);
                }
            }
        }
    }
}
