//! A running verifier: a seller with an HTTP server of its own.

mod start;

use std::net::SocketAddr;

use farthing_protocol::{Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use tokio::task::JoinHandle;

use crate::record::LaneSnapshot;
use crate::seller::Seller;
use crate::settlement::{SettleError, SettlementReport};

pub use start::{start, start_with};

/// A running verifier. If it is dropped without [`Verifier::shutdown`], requests in flight are cut off and charged as
/// after a disconnect, and nothing is settled.
#[derive(Debug)]
pub struct Verifier {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    seller: Seller,
    server: JoinHandle<()>,
}

impl Verifier {
    /// The address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The operator's address, for `/metrics` and `/healthz`, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The verifier's seller, with which an application can sell its own handlers on the same ledger.
    #[must_use]
    pub fn seller(&self) -> &Seller {
        &self.seller
    }

    /// Figures of a lane: see [`Seller::lane`].
    #[must_use]
    pub fn lane(
        &self,
        channel: &Pubkey,
        lane: LaneIndex,
        generation: Generation,
    ) -> Option<LaneSnapshot> {
        self.seller.lane(channel, lane, generation)
    }

    /// Number of reservations: see [`Seller::requests_in_flight`].
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.seller.requests_in_flight()
    }

    /// Whether every channel in the ledger was read since the start: see [`Seller::is_resolved`].
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.seller.is_resolved()
    }

    /// Reads all known channels now: see [`Seller::poll_chain`].
    pub async fn poll_chain(&self) {
        self.seller.poll_chain().await;
    }

    /// Settles all unsettled charges now: see [`Seller::settle_now`].
    ///
    /// # Errors
    /// [`SettleError`] says what is left unsettled; it is settled later.
    pub async fn settle_now(&self) -> Result<SettlementReport, SettleError> {
        self.seller.settle_now().await
    }

    /// What was settled since the start: see [`Seller::report`].
    #[must_use]
    pub fn report(&self) -> SettlementReport {
        self.seller.report()
    }

    /// Shuts down: refuses new requests, drains those in flight, settles everything, waits until the settlements are
    /// finalized, and closes the store.
    ///
    /// # Errors
    /// [`SettleError`] says what is left unsettled; the next start settles it.
    pub async fn shutdown(self) -> Result<SettlementReport, SettleError> {
        let Self {
            seller, mut server, ..
        } = self;
        let ended = async {
            // The server's task ends when its last connection has ended.
            let _ = (&mut server).await;
        };
        let report = seller.shutdown_with(ended).await;
        server.abort();
        report
    }
}
