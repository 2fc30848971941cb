//! A seller: everything that takes payments and settles them, without a server. The gateway is one with an upstream; an
//! application that sells what it serves itself starts one and puts [`Seller::layer`] before its handlers.

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
    DurableLedger(#[from] OpenError),
    /// There is no client for the upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}, which is {key}: {error}")]
    Listen {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

/// A running seller. Dropped without [`Seller::shutdown`] it cuts off what is in flight, charges that as after a
/// disconnect, and settles nothing.
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
    /// Starts on the real clock, chain and store.
    ///
    /// # Errors
    /// [`StartError`] says what to mend.
    pub async fn start(config: SellerConfig, keys: Keys) -> Result<Self, StartError> {
        config.check()?;
        let ports = start::system_ports(&config)?;
        start::start(config, keys, ports, Prices::default()).await
    }

    /// Starts on the ports given.
    ///
    /// # Errors
    /// [`StartError`] says what to mend.
    pub async fn start_with(
        config: SellerConfig,
        keys: Keys,
        ports: Ports,
    ) -> Result<Self, StartError> {
        config.check()?;
        start::start(config, keys, ports, Prices::default()).await
    }

    /// Starts as the till of a gateway that sells by these prices.
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
    /// What has not paid is answered with 402, as the gateway does it. What has paid is served at once, while its payment
    /// becomes durable; nothing of the answer leaves before that, and the receipt is in its header `PAYMENT-RESPONSE` or,
    /// of an event stream, in its last line. The charge is the price's, or what the service sets by the extension
    /// [`Charged`](crate::Charged) of its response; never more than was quoted, and nothing unless the status is 2xx.
    ///
    /// An event stream passes as it comes; every other answer is read to its end first, at most
    /// `requests.max_answer_bytes`. A client that repeats its key gets the same answer again, for the same charge. A
    /// service that panics, or breaks its answer off, costs nothing, and the client is told by 500 or 502.
    ///
    /// Use it by `route_layer`, or on single handlers: a `layer` of the whole router would ask money for its 404s.
    /// `PAYMENT-REQUIRED`, `PAYMENT-RESPONSE` and `Payment-Methods` are headers that a web page may read only if the
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

    /// Routes that clients look for where they pay: the key of the receipts, and what became of a lane.
    pub fn routes(&self) -> Router {
        about_payments(Arc::clone(&self.checkout))
    }

    /// `GET /metrics`, for Prometheus. It tells what is earned and asks for no password: serve it on an address that only
    /// the operator reaches.
    pub fn metrics(&self) -> Router {
        admin::metrics_router(Arc::clone(&self.metrics))
    }

    /// Everything that an operator may ask.
    pub(crate) fn admin(&self) -> Router {
        admin::router(Arc::clone(&self.metrics), Arc::clone(&self.checkout))
    }

    /// Cancelled when everything has ended.
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

    /// The paid requests in flight, with the payments that were verified for other servers and are not settled.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.durable_ledger
            .read(crate::ledger::Ledger::reservations)
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

    /// Ends: no new requests, those in flight drain, everything is settled and final, the store is closed. Stop the
    /// application's server before.
    ///
    /// # Errors
    /// [`SettleError`] says what is left; the next start settles it.
    pub async fn shutdown(self) -> Result<SettlementReport, SettleError> {
        self.shutdown_with(std::future::ready(())).await
    }

    /// The same together with a server, which ends when its connections have.
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
        // The task ends at the latest with the request that it waits for.
        let _ = (&mut self.settler_task).await;
        let durable_ledger = Arc::clone(&self.durable_ledger);
        let closed = tokio::task::spawn_blocking(move || durable_ledger.close()).await;
        if closed.is_err() {
            tracing::error!("closing the store panicked");
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
        tracing::warn!("requests in flight are cut off, the drain took too long");
        cut_off.cancel();
        if tokio::time::timeout(CUT_OFF_GRACE, tasks.wait())
            .await
            .is_err()
        {
            tracing::error!("requests did not end in time");
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
