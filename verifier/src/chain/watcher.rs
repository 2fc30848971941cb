//! Polls the known channels in the background, so that requests that pay with a known channel do not wait for RPC.
//!
//! The first request that names a channel looks it up; concurrent requests that name it wait for the same lookup. The
//! number of concurrent lookups is bounded. Channels that are unknown or not served are cached as such for a while, in
//! bounded space.

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
use farthing_chain::clock::{CLOCK, read_clock};
use farthing_protocol::Domain;
use farthing_protocol::deadline::ChainTime;
use futures_util::stream::{self, StreamExt};
use solana_sdk::pubkey::Pubkey;
use tokio::sync::{OnceCell, Semaphore};

use super::view::{Criteria, NotServed, View};
use crate::ledger::ChannelFacts;
use crate::ports::{ChainSource, Clock, Level, Moment, Observation};
use figures::Failures;
use gone::Gone;
use readings::Readings;
use refused::RefusedChannels;
use waiting::Waiting;

pub use gone::GoneChannel;

/// Maximum number of accounts per `getMultipleAccounts` request.
const ACCOUNTS_PER_REQUEST: usize = 100;
/// Maximum number of chunks that one poll reads concurrently, with two readings each.
const CONCURRENT_POLLS: usize = 4;
/// Limits of the watcher.
#[derive(Debug, Clone, Copy)]
pub struct ChannelLimits {
    /// Maximum age of a reading; with an older one the channel is not served.
    pub max_snapshot_age: Duration,
    /// How long a refusal is cached.
    pub unknown_cache: Duration,
    /// Maximum number of concurrent lookups.
    pub max_concurrent_lookups: usize,
    /// Maximum number of followed channels.
    pub max_channels: usize,
}

/// Why a channel cannot be paid with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// There is no such channel, or its opening is not finalized yet.
    #[error("there is no such channel, or its opening is not finalized yet")]
    Unknown,
    /// The channel does not meet this verifier's requirements.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// The chain could not be read, or the last reading is too old.
    #[error("the chain cannot be read at the moment: try again later")]
    Unavailable,
}

#[derive(Debug, Clone)]
struct Watched {
    facts: Arc<ChannelFacts>,
    refusal: Option<NotServed>,
    finalized_slot: u64,
    processed_slot: u64,
    /// When the reading was requested; it is not advanced while the node's slot does not advance.
    observed_at: Moment,
}

type Lookup = Arc<OnceCell<Result<Arc<ChannelFacts>, ChannelError>>>;

/// The channels that this verifier knows, with their latest readings.
#[derive(Debug)]
pub struct Channels {
    source: Arc<dyn ChainSource>,
    clock: Arc<dyn Clock>,
    criteria: Criteria,
    limits: ChannelLimits,
    watched: RwLock<HashMap<Pubkey, Watched>>,
    refused: Mutex<RefusedChannels>,
    lookups: Mutex<HashMap<Pubkey, Lookup>>,
    permits: Semaphore,
    /// Channels in the ledger that have not been read since the start, each with the incarnations that the ledger has.
    unresolved: Mutex<HashMap<Pubkey, Vec<Domain>>>,
    gone: Mutex<HashMap<Domain, Gone>>,
    chain_time: Mutex<Option<ChainTime>>,
    /// Time of the oldest reading that is in use, as of the last poll.
    oldest_reading: Mutex<Option<Moment>>,
    failures: Failures,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("nothing panics while the watcher's state is locked")
}

impl Channels {
    /// A watcher that follows no channel yet. `with_books` are the channels in the ledger, which the next
    /// [`Self::poll`] looks up.
    #[must_use]
    pub fn new(
        source: Arc<dyn ChainSource>,
        clock: Arc<dyn Clock>,
        criteria: Criteria,
        limits: ChannelLimits,
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
            refused: Mutex::new(RefusedChannels::default()),
            lookups: Mutex::new(HashMap::new()),
            permits: Semaphore::new(limits.max_concurrent_lookups),
            unresolved: Mutex::new(unresolved),
            gone: Mutex::default(),
            chain_time: Mutex::new(None),
            oldest_reading: Mutex::new(None),
            failures: Failures::default(),
        }
    }

    /// A channel that may be paid with, from a reading that is no older than the limit.
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

    /// A followed channel, regardless of the age of its reading.
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

    /// Whether every channel in the ledger has been read, or found to be gone, since the start.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        locked(&self.unresolved).is_empty()
    }

    /// The finalized chain clock; it is read only while a deadline of some channel depends on it.
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

    /// Reads accounts, and counts failures.
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
        // Read sequentially, so that the processed reading is the later one.
        let finalized = self.accounts(addresses, Level::Finalized).await?;
        let processed = self.accounts(addresses, Level::Processed).await?;
        if processed.slot < finalized.slot {
            let message = "its processed slot is behind its finalized slot";
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

    /// Reads all known channels once. Failures are logged; a channel is refused once its last reading is too old.
    pub async fn poll(&self) {
        // Collected before the lookups, so that channels which are looked up now are not read twice.
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
            // Ignores a reading from a node that is behind the one that answered before.
            if readings.finalized_slot < watched.finalized_slot
                || readings.processed_slot < watched.processed_slot
            {
                continue;
            }
            match readings.view(&self.criteria, index, address) {
                View::Ours { facts, refusal } if facts.domain == watched.facts.domain => {
                    if readings.processed_slot > watched.processed_slot {
                        // A reading that was requested later may have arrived first.
                        watched.observed_at = watched.observed_at.max(readings.asked_at);
                    }
                    watched.finalized_slot = readings.finalized_slot;
                    watched.processed_slot = readings.processed_slot;
                    watched.refusal = refusal;
                    if facts != *watched.facts {
                        watched.facts = Arc::new(facts);
                    }
                }
                // This incarnation is closed for good; a channel opened again at its address is another one.
                _ => {
                    tracing::info!(%address, "channel closed; it is no longer followed");
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
        let reading = self.accounts(&[CLOCK], Level::Finalized).await;
        let time = reading
            .ok()
            .and_then(|mut observation| observation.accounts.pop().flatten())
            .and_then(|account| read_clock(&account.data));
        if time.is_some() {
            *locked(&self.chain_time) = time;
        }
    }
}
