//! An axum application that sells its own handlers: no gateway, no upstream, no second process.
//!
//! `farthing dev --keep` leaves a chain, a payee, a settler and an agent's lane to try it with, and prints the line that
//! starts this example. Then, as it says itself:
//!
//! ```sh
//! farthing pay --listen 127.0.0.1:8400 http://127.0.0.1:8403 --channel … --lane-key … --rpc-url …
//! curl http://127.0.0.1:8400/weather/berlin
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, extract};
use farthing_chain::USDC_MINT_DEVNET;
use farthing_chain::keys::read_keypair;
use farthing_verifier::config::{ChainConfig, RequestsConfig, SettlerConfig, StoreConfig};
use farthing_verifier::{AnswerPrice, BaseUnits, Charged, Keys, RoutePrice, Seller, SellerConfig};
use farthing_wire::x402::NETWORK_DEVNET;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

const ADDRESS: &str = "127.0.0.1:8403";
/// The least grace of a channel on a local chain, where nobody waits for days.
const GRACE_SECONDS: u32 = 900;
/// What a forecast of one day takes, as an event.
const BYTES_PER_DAY: u64 = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [rpc_url, payee, settler_key] = arguments()?;
    let config = SellerConfig {
        requests: RequestsConfig::default(),
        store: StoreConfig::new(Path::new(&settler_key).with_file_name("weather.redb")),
        chain: ChainConfig {
            min_grace_seconds: GRACE_SECONDS,
            ..ChainConfig::new(rpc_url, NETWORK_DEVNET, USDC_MINT_DEVNET, payee.parse()?)
        },
        settler: SettlerConfig::default(),
    };
    let settler = read_keypair(settler_key.as_ref())?;
    let seller = Seller::start(config, Keys { settler }).await?;

    let listener = tokio::net::TcpListener::bind(ADDRESS).await?;
    println!("selling http://{ADDRESS}/weather/berlin and /forecast/berlin");
    axum::serve(listener, application(&seller))
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // What was sold is paid before this ends.
    let report = seller.shutdown().await?;
    println!("settled {} base units", report.base_units);
    Ok(())
}

fn arguments() -> Result<[String; 3], Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments = arguments.try_into();
    arguments.map_err(|_| "usage: weather <RPC URL> <PAYEE> <SETTLER'S KEY FILE>".into())
}

fn application(seller: &Seller) -> Router {
    // 0.001 USDC a look, and 0.1 USDC per million bytes of a forecast, of which a week is the longest.
    let look = RoutePrice::per_request(BaseUnits(1_000));
    let by_length = RoutePrice {
        answer: Some(AnswerPrice {
            per_million_bytes: BaseUnits(100_000),
            max_bytes: 7 * BYTES_PER_DAY,
        }),
        ..RoutePrice::per_request(BaseUnits(100))
    };
    Router::new()
        .route(
            "/",
            get(async || "the weather of any city: /weather/berlin"),
        )
        .route(
            "/weather/{city}",
            get(weather).route_layer(seller.layer(look)),
        )
        .route(
            "/forecast/{city}",
            get(forecast).route_layer(seller.layer(by_length)),
        )
        .merge(seller.routes())
}

/// A request that fails costs nothing, and a handler may charge less than was quoted.
async fn weather(extract::Path(city): extract::Path<String>) -> Response {
    let weather = match city.as_str() {
        "atlantis" => return (StatusCode::NOT_FOUND, "no such city any more").into_response(),
        "london" => "rain",
        _ => "sunny",
    };
    let mut answer = Json(json!({"city": city, "weather": weather})).into_response();
    if city == "london" {
        // Nobody should pay much for that.
        answer.extensions_mut().insert(Charged(BaseUnits(10)));
    }
    answer
}

/// A stream is charged what of it arrived: an agent that leaves on Tuesday pays until Tuesday.
async fn forecast(
    extract::Path(city): extract::Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let days = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let events = stream::iter(days).then(move |day| {
        let event = Event::default().data(format!("{day} in {city}: sunny"));
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(event)
        }
    });
    Sse::new(events)
}
