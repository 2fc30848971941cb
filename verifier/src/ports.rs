//! The ports of the verifier to the outside, which tests can replace: the clock and the chain. The third port, the
//! store, is in [`crate::store`].

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

    /// The moment `duration` after this one.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// A monotonic clock and a wall clock. The wall clock only dates receipts and checks whether a state query is fresh;
/// everything else uses the monotonic clock.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The present time of the monotonic clock; never earlier than a previous reading.
    fn now(&self) -> Moment;

    /// The wall clock: Unix time in seconds.
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
    /// Processed, and may still be rolled back.
    Processed,
    /// Final.
    Finalized,
}

/// Accounts as they were at one slot.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The slot of the reading.
    pub slot: u64,
    /// The accounts in the requested order; `None` where there is no account.
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

/// The status of a transaction on the cluster.
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
    /// First delivery: the node simulates the transaction before it forwards it.
    First,
    /// Repeated delivery: the node forwards it without simulation, which would fail if it has landed already.
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

    /// Sends a transaction. Success only means that the node accepted it. An error that
    /// [is final](ChainError::is_final) means that the transaction cannot succeed.
    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError>;

    /// The statuses of at most 256 transactions, in the requested order; `None` where the cluster does not know the
    /// transaction.
    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError>;
}
