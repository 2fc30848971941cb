//! A server that sells `GET /weather` with the middleware of the crate `x402-axum`. What its facilitator does and
//! leaves out is in `facilitator.rs`.

mod facilitator;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::Arc;
use std::thread;

use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use mimalloc::MiMalloc;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use url::Url;
use x402_axum::X402Middleware;
use x402_types::chain::ChainId;
use x402_types::proto::v2::{PaymentRequirements, PriceTag};

use crate::facilitator::Facilitator;

/// The network Solana devnet, in CAIP-2.
const NETWORK: (&str, &str) = ("solana", "EtWTRABZaYq6iMfeYKouRu166VU2xqa1");
const SCHEME: &str = "exact";
/// USDC on devnet.
const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const PRICE_BASE_UNITS: u64 = 1_000;
const PAY_TO: &str = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9";
/// Who would pay the transaction's fee. The scheme wants one named.
const FEE_PAYER: &str = "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8";
const MAX_TIMEOUT_SECONDS: u64 = 60;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = listen()?;
    let address = listener.local_addr()?;
    let app = router(address);
    exit_with_stdin();
    println!("listening on http://{address}");
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, app).await
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG)
}

/// The middleware in its default order: verify, handler, settle. Settling before the handler saves a question to the
/// facilitator, but then settling has to verify, and it measured slower.
/// The resource's address is given, not composed for every request.
fn router(address: SocketAddr) -> Router {
    let resource =
        Url::parse(&format!("http://{address}/weather")).expect("an address makes a URL");
    let payment = X402Middleware::from_facilitator(Arc::new(Facilitator::new()))
        .with_price_tag(price())
        .with_resource(resource);
    Router::new().route("/weather", get(weather).layer(payment))
}

async fn weather() -> Json<Value> {
    Json(json!({ "weather": "sunny" }))
}

/// What the crate for Solana would make, without that chain's dependencies.
fn price() -> PriceTag {
    PriceTag {
        requirements: PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: ChainId::new(NETWORK.0, NETWORK.1),
            amount: PRICE_BASE_UNITS.to_string(),
            pay_to: PAY_TO.to_owned(),
            max_timeout_seconds: MAX_TIMEOUT_SECONDS,
            asset: MINT.to_owned(),
            extra: Some(json!({ "feePayer": FEE_PAYER })),
        },
        enricher: None,
    }
}

/// Whoever started this process ends it by closing its standard input.
fn exit_with_stdin() {
    thread::spawn(|| {
        let ended = io::copy(&mut io::stdin().lock(), &mut io::sink());
        process::exit(i32::from(ended.is_err()));
    });
}
