//! The ports through which the verifier touches the world, all replaceable by a test: the clock and
//! the chain. (The third, the store, is described in [`crate::store`].)

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use farthing_chain::ChainError;
use solana_sdk::account::Account;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::Transaction;

/// A reading of a monotonic clock: time since an arbitrary origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// Time since `earlier`, zero if that lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// A monotonic clock, by which everything is decided, and one on the wall, which dates receipts and tells whether a
/// state query is fresh.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time now; never earlier than a reading before.
    fn now(&self) -> Moment;

    /// Unix time in seconds, as the system believes it to be.
    fn unix_seconds(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    fn unix_seconds(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

/// How certain an observation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Seen first, may be rolled back.
    Processed,
    /// Final.
    Finalized,
}

/// Accounts as they were at one slot.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The slot of the reading.
    pub slot: u64,
    /// In the order asked for; `None` where there is no account.
    pub accounts: Vec<Option<Account>>,
}

/// A blockhash to sign with.
#[derive(Debug, Clone, Copy)]
pub struct RecentBlockhash {
    /// The hash.
    pub hash: Hash,
    /// Above this block height a transaction with that hash can no longer land.
    pub last_valid_block_height: u64,
}

/// What the cluster says of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionStatus {
    /// Whether it is final.
    pub finalized: bool,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Whether a transaction is sent for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Simulated by the node before it is passed on.
    First,
    /// Passed on as it is: simulation would object to what may have landed already.
    Again,
}

/// A Solana cluster, as far as the verifier needs one.
#[async_trait]
pub trait ChainSource: Send + Sync + fmt::Debug + 'static {
    /// The cluster's genesis hash.
    async fn genesis_hash(&self) -> Result<Hash, ChainError>;

    /// Reads at most 100 accounts at one slot.
    async fn accounts(&self, addresses: &[Pubkey], level: Level)
    -> Result<Observation, ChainError>;

    /// A blockhash to sign with.
    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError>;

    /// The finalized block height.
    async fn finalized_block_height(&self) -> Result<u64, ChainError>;

    /// Sends a transaction; success says that the node took it, nothing more. An error that
    /// [is final](ChainError::is_final) says that it cannot succeed.
    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError>;

    /// What became of at most 256 transactions, in the order asked for; `None` where the cluster
    /// knows nothing.
    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError>;
}
