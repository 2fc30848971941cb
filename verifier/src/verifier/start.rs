//! From a configuration to a running verifier: a seller, its upstream and its server.

use std::sync::Arc;

use super::Verifier;
use crate::config::Config;
use crate::http::facilitator::Facilitator;
use crate::http::proxy::Upstream;
use crate::http::server::{self, ConnectionLimits, accept_all};
use crate::http::{App, meter, router};
use crate::seller::{Keys, Ports, Seller, StartError};

/// Starts a verifier on the real clock, chain and store.
///
/// # Errors
/// [`StartError`] says what to mend.
pub async fn start(config: Config, keys: Keys) -> Result<Verifier, StartError> {
    start_on(config, keys, None).await
}

/// Starts a verifier on the ports given.
///
/// # Errors
/// [`StartError`] says what to mend.
pub async fn start_with(config: Config, keys: Keys, ports: Ports) -> Result<Verifier, StartError> {
    start_on(config, keys, Some(ports)).await
}

async fn start_on(
    config: Config,
    keys: Keys,
    ports: Option<Ports>,
) -> Result<Verifier, StartError> {
    config.check()?;
    let upstream = Upstream::new(&config.http)?;
    let listen = config.http.listen;
    let failed = |error| StartError::Listen {
        address: listen,
        error,
    };
    let prices = config.pricing.prices();
    let seller = Seller::start_priced(config.seller(), keys, ports, prices).await?;
    let listener = server::listen(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    meter::prepare();
    let app = Arc::new(App {
        till: Arc::clone(seller.till()),
        upstream: Arc::new(upstream),
        max_header_bytes: config.http.max_header_bytes,
        cors_origins: config.http.cors_origins.clone(),
        facilitator: config.facilitator.as_ref().map(Facilitator::new),
    });
    let draining = app.till.draining.clone();
    let limits = connection_limits(&config);
    let server = tokio::spawn(accept_all(listener, router(app), limits, draining));
    let offer = seller.till().gateway.offer();
    tracing::info!(%address, payee = %offer.payee, settler = %offer.settler, "serving");
    Ok(Verifier {
        address,
        seller,
        server,
    })
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        max_connections: config.http.max_connections,
        header_timeout: config.http.header_timeout(),
        max_header_bytes: config.http.max_header_bytes,
    }
}
