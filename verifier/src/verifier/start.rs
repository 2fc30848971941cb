//! Starts a verifier from its configuration: a seller, the upstream's client, and the servers.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Verifier;
use crate::config::{Config, in_memory};
use crate::http::admin;
use crate::http::app::App;
use crate::http::catalogue::UpstreamModels;
use crate::http::routes::router;
use crate::http::server::{self, ConnectionLimits, accept_all};
use crate::http::upstream::Upstreams;
use crate::http::x402::facilitator_token::FacilitatorToken;
use crate::metering;
use crate::seller::{Keys, Ports, Seller, StartError};

/// Starts a verifier with the system's clock, the configured RPC node and the configured store.
///
/// # Errors
/// [`StartError`] says what to fix.
pub async fn start(config: Config, keys: Keys) -> Result<Verifier, StartError> {
    start_on(config, keys, None).await
}

/// Starts a verifier with the given clock, chain and store.
///
/// # Errors
/// [`StartError`] says what to fix.
pub async fn start_with(config: Config, keys: Keys, ports: Ports) -> Result<Verifier, StartError> {
    start_on(config, keys, Some(ports)).await
}

async fn start_on(
    config: Config,
    keys: Keys,
    ports: Option<Ports>,
) -> Result<Verifier, StartError> {
    config.check()?;
    let upstreams = Upstreams::new(&config)?;
    let prices = config.prices();
    let seller = Seller::start_priced(config.seller(), keys, ports, prices).await?;
    let (listener, address) = listen("http.listen", config.http.listen)?;
    let admin_address = match config.admin.listen {
        Some(address) => Some(serve_admin(&seller, address)?),
        None => None,
    };
    metering::prepare();
    let app = Arc::new(App {
        checkout: Arc::clone(seller.checkout()),
        upstreams,
        upstream_models: UpstreamModels::default(),
        max_header_bytes: in_memory(config.http.max_header_bytes),
        cors_origins: config.http.cors_origins.clone(),
        facilitator: config.facilitator.as_ref().map(FacilitatorToken::new),
    });
    let draining = app.checkout.draining.clone();
    let limits = connection_limits(&config);
    let server = tokio::spawn(accept_all(listener, router(app), limits, draining));
    let offer = seller.checkout().payments.offer();
    tracing::info!(%address, payee = %offer.payee, settler = %offer.settler, "serving");
    Ok(Verifier {
        address,
        admin_address,
        seller,
        server,
    })
}

/// Listens on an address; `key` is its configuration key, for the error.
fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen {
        key,
        address,
        error,
    };
    let listener = server::listen(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves the operator's endpoints until the final settlement has ended. Returns the address.
fn serve_admin(seller: &Seller, address: SocketAddr) -> Result<SocketAddr, StartError> {
    let (listener, address) = listen("admin.listen", address)?;
    let serving = accept_all(listener, seller.admin(), admin::LIMITS, seller.end());
    tokio::spawn(serving);
    Ok(address)
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        max_connections: config.http.max_connections,
        header_timeout: config.http.header_timeout,
        max_header_bytes: in_memory(config.http.max_header_bytes),
    }
}
