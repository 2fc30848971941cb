//! Keeps what is known of channels fresh, in the background: no request of a known channel waits for
//! RPC.
//!
//! The first request that names a channel looks it up; requests that name it meanwhile wait for the
//! same lookup. Lookups at the same time are bounded, and what is unknown or not served is remembered
//! as such for a while, in bounded space.

mod figures;
mod gone;
mod lookup;
mod readings;
mod refused;
mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use farthing_chain::ChainError;
use farthing_protocol::Domain;
use farthing_protocol::deadline::ChainTime;
use futures_util::stream::{self, StreamExt};
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;
use tokio::sync::{OnceCell, Semaphore};

use super::view::{Criteria, NotServed, View};
use crate::ledger::ChannelFacts;
use crate::ports::{ChainSource, Clock, Level, Moment, Observation};
use figures::Failures;
use gone::Gone;
use readings::{Readings, read_clock};
use refused::Refused;
use waiting::Waiting;

pub use gone::GoneChannel;

/// The most accounts that `getMultipleAccounts` takes.
const ACCOUNTS_PER_REQUEST: usize = 100;
/// The most requests of one poll that are under way at the same time, two readings each.
const CONCURRENT_POLLS: usize = 4;
/// The chain's clock.
const CLOCK_SYSVAR: Pubkey = pubkey!("SysvarC1ock11111111111111111111111111111111");

/// Limits of the watcher.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A reading older than this is not relied on.
    pub max_snapshot_age: Duration,
    /// How long a refusal is remembered.
    pub unknown_cache: Duration,
    /// The most lookups at the same time.
    pub max_concurrent_lookups: usize,
    /// The most channels that are followed.
    pub max_channels: usize,
}

/// Why a channel cannot be paid with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// There is no such channel, or it is not final yet.
    #[error("there is no such channel, or its opening is not final yet")]
    Unknown,
    /// The channel is not for us, or not good enough.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// The chain could not be asked, or was last asked too long ago.
    #[error("the chain cannot be read at the moment, try again later")]
    Unavailable,
}

#[derive(Debug, Clone)]
struct Watched {
    facts: Arc<ChannelFacts>,
    refusal: Option<NotServed>,
    finalized_slot: u64,
    processed_slot: u64,
    /// When the reading was asked for; it does not move while the node's slot stands still.
    observed_at: Moment,
}

type Lookup = Arc<OnceCell<Result<Arc<ChannelFacts>, ChannelError>>>;

/// The channels that are known.
#[derive(Debug)]
pub struct Channels {
    source: Arc<dyn ChainSource>,
    clock: Arc<dyn Clock>,
    criteria: Criteria,
    limits: Limits,
    watched: RwLock<HashMap<Pubkey, Watched>>,
    refused: Mutex<Refused>,
    lookups: Mutex<HashMap<Pubkey, Lookup>>,
    permits: Semaphore,
    /// Channels with books that were not found yet since the start, with the incarnations that have books.
    unresolved: Mutex<HashMap<Pubkey, Vec<Domain>>>,
    gone: Mutex<HashMap<Domain, Gone>>,
    chain_time: Mutex<Option<ChainTime>>,
    /// As of the last poll.
    oldest_reading: Mutex<Option<Moment>>,
    failures: Failures,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("nothing panics while the watcher's state is locked")
}

impl Channels {
    /// Follows no channel yet; `with_books` are looked up by the next [`Self::poll`].
    #[must_use]
    pub fn new(
        source: Arc<dyn ChainSource>,
        clock: Arc<dyn Clock>,
        criteria: Criteria,
        limits: Limits,
        with_books: impl IntoIterator<Item = (Domain, Pubkey)>,
    ) -> Self {
        let mut unresolved = HashMap::<Pubkey, Vec<Domain>>::new();
        for (domain, address) in with_books {
            unresolved.entry(address).or_default().push(domain);
        }
        Self {
            source,
            clock,
            criteria,
            limits,
            watched: RwLock::new(HashMap::new()),
            refused: Mutex::new(Refused::default()),
            lookups: Mutex::new(HashMap::new()),
            permits: Semaphore::new(limits.max_concurrent_lookups),
            unresolved: Mutex::new(unresolved),
            gone: Mutex::default(),
            chain_time: Mutex::new(None),
            oldest_reading: Mutex::new(None),
            failures: Failures::default(),
        }
    }

    /// A channel that may be paid with, as fresh as the limits ask for.
    ///
    /// # Errors
    /// [`ChannelError`] says why not.
    pub async fn served(&self, address: Pubkey) -> Result<Arc<ChannelFacts>, ChannelError> {
        if let Some(watched) = self.watched(&address) {
            return self.judge(&watched);
        }
        if let Some(error) = locked(&self.refused).get(&address, self.clock.now()) {
            return Err(error);
        }
        let lookup = Arc::clone(locked(&self.lookups).entry(address).or_default());
        let waiting = Waiting {
            channels: self,
            address,
            lookup,
        };
        waiting
            .lookup
            .get_or_init(|| self.look_up(address))
            .await
            .clone()
    }

    /// A channel that is followed, however old the reading.
    #[must_use]
    pub fn known(&self, address: &Pubkey) -> Option<Arc<ChannelFacts>> {
        self.watched(address).map(|watched| watched.facts)
    }

    /// All channels that are followed.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<ChannelFacts>> {
        let watched = self.read_watched();
        watched
            .values()
            .map(|watched| Arc::clone(&watched.facts))
            .collect()
    }

    /// Whether every channel with books has been found since the start.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        locked(&self.unresolved).is_empty()
    }

    /// The finalized chain clock, if any channel's deadline depends on it.
    #[must_use]
    pub fn chain_time(&self) -> Option<ChainTime> {
        *locked(&self.chain_time)
    }

    fn read_watched(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Pubkey, Watched>> {
        self.watched
            .read()
            .expect("nothing panics while the channels are locked")
    }

    fn write_watched(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Pubkey, Watched>> {
        self.watched
            .write()
            .expect("nothing panics while the channels are locked")
    }

    fn watched(&self, address: &Pubkey) -> Option<Watched> {
        self.read_watched().get(address).cloned()
    }

    fn judge(&self, watched: &Watched) -> Result<Arc<ChannelFacts>, ChannelError> {
        if let Some(refusal) = &watched.refusal {
            return Err(refusal.clone().into());
        }
        let age = self.clock.now().since(watched.observed_at);
        if age > self.limits.max_snapshot_age {
            return Err(ChannelError::Unavailable);
        }
        Ok(Arc::clone(&watched.facts))
    }

    /// Reads accounts, and counts if that fails.
    async fn accounts(
        &self,
        addresses: &[Pubkey],
        level: Level,
    ) -> Result<Observation, ChainError> {
        let reading = self.source.accounts(addresses, level).await;
        reading.map_err(|error| self.failures.count(error))
    }

    async fn read_both(&self, addresses: &[Pubkey]) -> Result<Readings, ChainError> {
        let asked_at = self.clock.now();
        // One after the other, so that the processed reading is the later one.
        let finalized = self.accounts(addresses, Level::Finalized).await?;
        let processed = self.accounts(addresses, Level::Processed).await?;
        if processed.slot < finalized.slot {
            let message = "its processed slot is behind its finalized one";
            let error = ChainError::Unusable(message.to_owned());
            return Err(self.failures.count(error));
        }
        Ok(Readings {
            asked_at,
            finalized_slot: finalized.slot,
            processed_slot: processed.slot,
            finalized: finalized.accounts,
            processed: processed.accounts,
        })
    }

    /// Reads all known channels once. Failures are logged: readings grow old and are refused then.
    pub async fn poll(&self) {
        // What is looked up now need not be read again.
        let addresses: Vec<Pubkey> = self.read_watched().keys().copied().collect();
        self.resolve().await;
        stream::iter(addresses.chunks(ACCOUNTS_PER_REQUEST))
            .for_each_concurrent(CONCURRENT_POLLS, |chunk| async move {
                match self.read_both(chunk).await {
                    Ok(readings) => self.apply(chunk, &readings),
                    Err(error) => tracing::warn!(%error, "cannot read channels"),
                }
            })
            .await;
        self.note_oldest_reading();
        self.read_chain_time().await;
    }

    fn apply(&self, addresses: &[Pubkey], readings: &Readings) {
        let mut all = self.write_watched();
        for (index, address) in addresses.iter().enumerate() {
            let Some(watched) = all.get_mut(address) else {
                continue;
            };
            // A node behind the one that answered before tells nothing new.
            if readings.finalized_slot < watched.finalized_slot
                || readings.processed_slot < watched.processed_slot
            {
                continue;
            }
            match readings.view(&self.criteria, index, address) {
                View::Ours { facts, refusal } if facts.domain == watched.facts.domain => {
                    if readings.processed_slot > watched.processed_slot {
                        // Another reading may have been asked for later, and have come first.
                        watched.observed_at = watched.observed_at.max(readings.asked_at);
                    }
                    watched.finalized_slot = readings.finalized_slot;
                    watched.processed_slot = readings.processed_slot;
                    watched.refusal = refusal;
                    if facts != *watched.facts {
                        watched.facts = Arc::new(facts);
                    }
                }
                // Closed for good; should its address be opened again, that is another channel.
                _ => {
                    tracing::info!(%address, "a channel is closed");
                    let domain = watched.facts.domain;
                    let seen = Some(Arc::clone(&watched.facts));
                    all.remove(address);
                    self.note_gone(domain, *address, seen, readings.finalized_slot);
                }
            }
        }
    }

    async fn read_chain_time(&self) {
        let needed = self.read_watched().values().any(|watched| {
            watched
                .facts
                .lanes
                .iter()
                .any(|lane| lane.revoked.is_some())
        });
        if !needed {
            return;
        }
        let reading = self.accounts(&[CLOCK_SYSVAR], Level::Finalized).await;
        let time = reading
            .ok()
            .and_then(|mut observation| observation.accounts.pop().flatten())
            .and_then(|account| read_clock(&account.data));
        if time.is_some() {
            *locked(&self.chain_time) = time;
        }
    }
}
