//! A running verifier, and its end: a seller with a server of its own.

mod start;

use std::net::SocketAddr;

use farthing_protocol::{Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use tokio::task::JoinHandle;

use crate::record::LaneSnapshot;
use crate::seller::Seller;
use crate::settlement::{SettleError, SettlementReport};

pub use start::{start, start_with};

/// A running verifier. Dropped without [`Verifier::shutdown`] it cuts off what is in flight, charges
/// that as after a disconnect, and settles nothing.
#[derive(Debug)]
pub struct Verifier {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    seller: Seller,
    server: JoinHandle<()>,
}

impl Verifier {
    /// The address that is listened on.
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

    /// Its seller, through which an application may sell on the same ledger.
    #[must_use]
    pub fn seller(&self) -> &Seller {
        &self.seller
    }

    /// [`Seller::lane`].
    #[must_use]
    pub fn lane(
        &self,
        channel: &Pubkey,
        lane: LaneIndex,
        generation: Generation,
    ) -> Option<LaneSnapshot> {
        self.seller.lane(channel, lane, generation)
    }

    /// [`Seller::requests_in_flight`].
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.seller.requests_in_flight()
    }

    /// [`Seller::is_resolved`].
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.seller.is_resolved()
    }

    /// [`Seller::poll_chain`].
    pub async fn poll_chain(&self) {
        self.seller.poll_chain().await;
    }

    /// [`Seller::settle_now`].
    ///
    /// # Errors
    /// [`SettleError`] says what is left; it is settled later.
    pub async fn settle_now(&self) -> Result<SettlementReport, SettleError> {
        self.seller.settle_now().await
    }

    /// [`Seller::report`].
    #[must_use]
    pub fn report(&self) -> SettlementReport {
        self.seller.report()
    }

    /// Ends: no new requests, those in flight drain, everything is settled and final, the store is
    /// closed.
    ///
    /// # Errors
    /// [`SettleError`] says what is left; the next start settles it.
    pub async fn shutdown(self) -> Result<SettlementReport, SettleError> {
        let Self {
            seller, mut server, ..
        } = self;
        let ended = async {
            // It ends when its connections have.
            let _ = (&mut server).await;
        };
        let report = seller.shutdown_with(ended).await;
        server.abort();
        report
    }
}
