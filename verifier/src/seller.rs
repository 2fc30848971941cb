//! A seller: accepts payments and settles them, without a server of its own. The gateway is a seller with a server and
//! an upstream; an application that sells its own handlers starts a seller and puts [`Seller::layer`] in front of them.

mod releases;
mod start;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use farthing_chain::ChainError;
use farthing_protocol::{Generation, LaneIndex};
use farthing_wire::pricing::RoutePrice;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::chain::Channels;
use crate::config::{ConfigError, SellerConfig};
use crate::durable_ledger::{DurableLedger, OpenError};
use crate::http::admin;
use crate::http::routes::about_payments;
use crate::http::sale::checkout::Checkout;
use crate::http::sale::layer::PaywallLayer;
use crate::http::upstream::UpstreamError;
use crate::metrics::Metrics;
use crate::ports::{ChainSource, Clock};
use crate::prices::Prices;
use crate::record::{LaneKey, LaneSnapshot};
use crate::settlement::{SettleError, SettlementReport, SettlerHandle};
use crate::store::{Store, StoreError};

/// Time that requests which are cut off after the drain have to charge for what they produced.
const CUT_OFF_GRACE: Duration = Duration::from_secs(5);

/// The verifier's keys.
pub struct Keys {
    /// Signs settlements and receipts, and pays the settlements' fees. It cannot pay itself.
    pub settler: Keypair,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("settler", &self.settler.pubkey())
            .finish()
    }
}

/// The external systems that the verifier uses; tests replace them.
#[derive(Debug)]
pub struct Ports {
    /// The monotonic clock.
    pub clock: Arc<dyn Clock>,
    /// The chain.
    pub chain: Arc<dyn ChainSource>,
    /// The store.
    pub store: Box<dyn Store>,
}

/// Why a verifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The RPC node cannot be used: its genesis hash or the channels of the store cannot be read.
    #[error("cannot read the chain, check chain.rpc_url: {0}")]
    Chain(#[from] ChainError),
    /// The chain debited lanes by more than the store has recorded as charged.
    #[error(
        "the store is older than the chain, or somebody else settles with this key: {lanes} lanes were debited by more \
         than the store has recorded, the first is lane {first} of channel {channel}; stop any other settler with this \
         key, then run `farthing reconcile`"
    )]
    StoreBehindChain {
        /// Number of these lanes.
        lanes: usize,
        /// Channel of the first of them.
        channel: Pubkey,
        /// Index of the first of them.
        first: LaneIndex,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    DurableLedger(#[from] OpenError),
    /// The client of the upstream cannot be made.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}, which is {key}: {error}")]
    Listen {
        /// The configuration key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        error: std::io::Error,
    },
}

/// A running seller. If it is dropped without [`Seller::shutdown`], requests in flight are cut off and charged as after
/// a disconnect, and nothing is settled.
#[derive(Debug)]
pub struct Seller {
    checkout: Arc<Checkout>,
    metrics: Arc<Metrics>,
    durable_ledger: Arc<DurableLedger>,
    channels: Arc<Channels>,
    settler: SettlerHandle,
    settler_task: JoinHandle<()>,
    background: CancellationToken,
    drain_timeout: Duration,
    settle_timeout: Duration,
}

impl Seller {
    /// Starts with the system's clock, the configured RPC node and the configured store.
    ///
    /// # Errors
    /// [`StartError`] says what to fix.
    pub async fn start(config: SellerConfig, keys: Keys) -> Result<Self, StartError> {
        config.check()?;
        let ports = start::system_ports(&config)?;
        start::start(config, keys, ports, Prices::default()).await
    }

    /// Starts with the given clock, chain and store.
    ///
    /// # Errors
    /// [`StartError`] says what to fix.
    pub async fn start_with(
        config: SellerConfig,
        keys: Keys,
        ports: Ports,
    ) -> Result<Self, StartError> {
        config.check()?;
        start::start(config, keys, ports, Prices::default()).await
    }

    /// Starts as the checkout of a gateway with these prices.
    pub(crate) async fn start_priced(
        config: SellerConfig,
        keys: Keys,
        ports: Option<Ports>,
        prices: Prices,
    ) -> Result<Self, StartError> {
        let ports = match ports {
            Some(ports) => ports,
            None => start::system_ports(&config)?,
        };
        start::start(config, keys, ports, prices).await
    }

    pub(crate) fn checkout(&self) -> &Arc<Checkout> {
        &self.checkout
    }

    /// A paywall for the services of an axum application.
    ///
    /// A request without a payment is answered with 402, as the gateway does. A paid request is served at once, while
    /// its reservation becomes durable. Nothing of the answer is sent before that. The receipt is in the header
    /// `PAYMENT-RESPONSE` or, for an event stream, in its last line. The charge follows from the price, or is what the
    /// service sets with the response extension [`Charged`](crate::Charged). It is never more than was quoted, and zero
    /// unless the status is 2xx.
    ///
    /// An event stream is passed on as it arrives; every other answer is first read to its end, up to
    /// `requests.max_answer_bytes`. A client that repeats its idempotency key gets the same answer again, for the same
    /// charge. If a service panics or breaks its answer off, nothing is charged and the client gets a 500 or 502.
    ///
    /// Use it with `route_layer`, or on single handlers: a `layer` of the whole router would also charge for its 404s.
    /// Web pages can read the headers `PAYMENT-REQUIRED`, `PAYMENT-RESPONSE` and `Payment-Methods` only if the
    /// application's CORS layer exposes them.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::routing::get;
    /// use farthing_verifier::{BaseUnits, RoutePrice, Seller};
    ///
    /// async fn weather() -> &'static str {
    ///     "sunny"
    /// }
    ///
    /// fn application(seller: &Seller) -> Router {
    ///     let price = RoutePrice::per_request(BaseUnits(1_000)); // 0.001 USDC
    ///     Router::new()
    ///         .route("/weather/{city}", get(weather))
    ///         .route_layer(seller.layer(price))
    ///         .merge(seller.routes())
    /// }
    /// ```
    #[must_use]
    pub fn layer(&self, price: RoutePrice) -> PaywallLayer {
        PaywallLayer::new(Arc::clone(&self.checkout), price)
    }

    /// Routes that clients need besides the paid ones: the key that signs the receipts, and the state of a lane.
    pub fn routes(&self) -> Router {
        about_payments(Arc::clone(&self.checkout))
    }

    /// `GET /metrics`, for Prometheus. It shows what is earned and has no authentication: serve it on an address that
    /// only the operator can reach.
    pub fn metrics(&self) -> Router {
        admin::metrics_router(Arc::clone(&self.metrics))
    }

    /// Router of all operator endpoints.
    pub(crate) fn admin(&self) -> Router {
        admin::router(Arc::clone(&self.metrics), Arc::clone(&self.checkout))
    }

    /// A token that is cancelled at the end of a shutdown, after the final settlement.
    pub(crate) fn end(&self) -> CancellationToken {
        self.background.clone()
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
        self.durable_ledger.lane(&facts, key)
    }

    /// Number of reservations: paid requests in flight, and payments verified for other servers and not settled yet.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.durable_ledger
            .read(crate::ledger::Ledger::reservations)
    }

    /// Whether every channel in the ledger was read since the start, so that no request waits for its lookup.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.channels.is_resolved()
    }

    /// Reads all known channels now instead of at the next interval.
    pub async fn poll_chain(&self) {
        self.channels.poll().await;
    }

    /// Settles all unsettled charges now, and waits until the settlements are finalized.
    ///
    /// # Errors
    /// [`SettleError`] says what is left unsettled; it is settled later.
    pub async fn settle_now(&self) -> Result<SettlementReport, SettleError> {
        self.settler.settle_now().await?;
        Ok(self.report())
    }

    /// What was settled since the start.
    #[must_use]
    pub fn report(&self) -> SettlementReport {
        self.settler.report()
    }

    /// Shuts down: refuses new requests, drains those in flight, settles everything, waits until the settlements are
    /// finalized, and closes the store. Stop the application's server before.
    ///
    /// # Errors
    /// [`SettleError`] says what is left unsettled; the next start settles it.
    pub async fn shutdown(self) -> Result<SettlementReport, SettleError> {
        self.shutdown_with(std::future::ready(())).await
    }

    /// Shuts down like [`Self::shutdown`], and waits during the drain for `server`, which ends with its last
    /// connection.
    pub(crate) async fn shutdown_with(
        mut self,
        server: impl Future<Output = ()>,
    ) -> Result<SettlementReport, SettleError> {
        self.drain(server).await;
        let timeout = self.settle_timeout;
        let settled = tokio::time::timeout(timeout, self.settler.settle_now())
            .await
            .unwrap_or(Err(SettleError::TimedOut {
                seconds: timeout.as_secs(),
            }));
        self.background.cancel();
        // The settler's task ends at the latest with the RPC request that it waits for.
        let _ = (&mut self.settler_task).await;
        let durable_ledger = Arc::clone(&self.durable_ledger);
        let closed = tokio::task::spawn_blocking(move || durable_ledger.close()).await;
        if closed.is_err() {
            tracing::error!("panic while closing the store");
        }
        settled.map(|()| self.report())
    }

    async fn drain(&self, server: impl Future<Output = ()>) {
        let Checkout {
            draining,
            cut_off,
            tasks,
            ..
        } = &*self.checkout;
        draining.cancel();
        tasks.close();
        let drained = async {
            server.await;
            tasks.wait().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained)
            .await
            .is_ok()
        {
            return;
        }
        tracing::warn!("drain timeout: requests still in flight are cut off");
        cut_off.cancel();
        if tokio::time::timeout(CUT_OFF_GRACE, tasks.wait())
            .await
            .is_err()
        {
            tracing::error!("some cut-off requests are still running; shutting down anyway");
        }
    }
}

impl Drop for Seller {
    fn drop(&mut self) {
        self.checkout.draining.cancel();
        self.checkout.cut_off.cancel();
        self.background.cancel();
    }
}
