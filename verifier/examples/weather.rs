//! An axum application that sells its own handlers, without a gateway, an upstream or a second process.
//!
//! To try it, run `farthing dev --keep`. It leaves a chain, a payee, a settler and an agent's lane running, and prints
//! the command that starts this example. Then run, as it also prints:
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
/// Minimum grace of a channel on a local chain, in seconds: the shortest that is allowed.
const GRACE_SECONDS: u32 = 900;
/// Upper bound of the length of one day's forecast as an event, in bytes.
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
    // Waits until everything that was sold is settled.
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
    // 0.001 USDC for the weather. A forecast costs 0.0001 USDC plus 0.1 USDC per million bytes, for at most a week.
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

/// The weather of a city. A request that fails is not charged, and a handler may charge less than was quoted.
async fn weather(extract::Path(city): extract::Path<String>) -> Response {
    let weather = match city.as_str() {
        "atlantis" => return (StatusCode::NOT_FOUND, "no such city any more").into_response(),
        "london" => "rain",
        _ => "sunny",
    };
    let mut answer = Json(json!({"city": city, "weather": weather})).into_response();
    if city == "london" {
        // Charges less than the quoted price.
        answer.extensions_mut().insert(Charged(BaseUnits(10)));
    }
    answer
}

/// The forecast of a city as an event stream, which is charged by the bytes that were sent: an agent that disconnects
/// after Tuesday pays until Tuesday.
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
