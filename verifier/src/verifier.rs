//! A running verifier, and its end.

mod start;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::{Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::books::{Books, OpenError};
use crate::chain::Channels;
use crate::config::ConfigError;
use crate::http::proxy::UpstreamError;
use crate::ledger::{LaneKey, LaneSnapshot};
use crate::ports::{ChainError, ChainSource, Clock};
use crate::settlement::{SettleError, SettlementReport, SettlerHandle};
use crate::store::{Store, StoreError};

pub use start::{start, start_with};

/// How long what was cut off at the end of the drain may take to charge what it produced.
const CUT_OFF_GRACE: Duration = Duration::from_secs(5);

/// The verifier's keys.
pub struct Keys {
    /// Signs settlements and pays their fees. It can take nothing for itself.
    pub settler: Keypair,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("settler", &self.settler.pubkey())
            .finish()
    }
}

/// The world, as the verifier reaches it.
#[derive(Debug)]
pub struct Ports {
    /// The monotonic clock.
    pub clock: Arc<dyn Clock>,
    /// The chain.
    pub chain: Arc<dyn ChainSource>,
    /// The store.
    pub store: Box<dyn Store>,
}

/// Why a verifier does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain cannot be asked which one it is.
    #[error("cannot read the genesis hash, check chain.rpc_url: {0}")]
    Chain(#[from] ChainError),
    /// The chain debited lanes beyond what the store knows of.
    #[error(
        "the store is older than the chain, or somebody else settles with this key: {lanes} lanes were debited beyond \
         what it knows, the first is lane {first} of channel {channel}; stop whoever else settles, then run \
         `farthing reconcile`"
    )]
    StoreBehindChain {
        /// How many.
        lanes: usize,
        /// The first one's channel.
        channel: Pubkey,
        /// The first one.
        first: LaneIndex,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The books cannot be opened.
    #[error(transparent)]
    Books(#[from] OpenError),
    /// There is no client for the upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

/// A running verifier. Dropped without [`Verifier::shutdown`] it cuts off what is in flight, charges
/// that as after a disconnect, and settles nothing.
#[derive(Debug)]
pub struct Verifier {
    address: SocketAddr,
    books: Arc<Books>,
    channels: Arc<Channels>,
    settler: SettlerHandle,
    settler_task: JoinHandle<()>,
    server: JoinHandle<()>,
    tasks: TaskTracker,
    draining: CancellationToken,
    cut_off: CancellationToken,
    background: CancellationToken,
    drain_timeout: Duration,
    settle_timeout: Duration,
}

impl Verifier {
    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Figures of a lane, `None` if the channel is not followed or has no such lane.
    #[must_use]
    pub fn lane(
        &self,
        channel: &Pubkey,
        lane: LaneIndex,
        generation: Generation,
    ) -> Option<LaneSnapshot> {
        let facts = self.channels.known(channel)?;
        let key = LaneKey {
            domain: facts.domain,
            lane,
            generation,
        };
        self.books.lane(&facts, key)
    }

    /// The paid requests in flight.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.books.read(crate::ledger::Ledger::reservations)
    }

    /// Whether every channel with books was asked for since the start, so that no request waits for it.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.channels.is_resolved()
    }

    /// Reads all known channels now instead of at the next interval.
    pub async fn poll_chain(&self) {
        self.channels.poll().await;
    }

    /// Settles everything that is owed now, and waits until it is final.
    ///
    /// # Errors
    /// [`SettleError`] says what is left; it is settled later.
    pub async fn settle_now(&self) -> Result<SettlementReport, SettleError> {
        self.settler.settle_now().await?;
        Ok(self.report())
    }

    /// What was settled since the start.
    #[must_use]
    pub fn report(&self) -> SettlementReport {
        self.settler.report()
    }

    /// Ends: no new requests, those in flight drain, everything is settled and final, the store is
    /// closed.
    ///
    /// # Errors
    /// [`SettleError`] says what is left; the next start settles it.
    pub async fn shutdown(mut self) -> Result<SettlementReport, SettleError> {
        self.drain().await;
        let timeout = self.settle_timeout;
        let settled = tokio::time::timeout(timeout, self.settler.settle_now())
            .await
            .unwrap_or(Err(SettleError::TimedOut {
                seconds: timeout.as_secs(),
            }));
        self.background.cancel();
        // The task ends at the latest with the request that it waits for.
        let _ = (&mut self.settler_task).await;
        let books = Arc::clone(&self.books);
        let closed = tokio::task::spawn_blocking(move || books.close()).await;
        if closed.is_err() {
            tracing::error!("closing the store panicked");
        }
        settled.map(|()| self.report())
    }

    async fn drain(&mut self) {
        self.draining.cancel();
        self.tasks.close();
        let tasks = self.tasks.clone();
        let drained = async {
            // The server ends when its connections have.
            let _ = (&mut self.server).await;
            tasks.wait().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained)
            .await
            .is_ok()
        {
            return;
        }
        tracing::warn!("requests in flight are cut off, the drain took too long");
        self.cut_off.cancel();
        if tokio::time::timeout(CUT_OFF_GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::error!("streams did not end in time");
        }
        self.server.abort();
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.draining.cancel();
        self.cut_off.cancel();
        self.background.cancel();
    }
}
