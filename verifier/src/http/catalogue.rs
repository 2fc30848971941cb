//! What is sold, for whoever looks before asking: `GET /v1/models` and `GET /.well-known/x402`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use farthing_client::pricing::Endpoint;
use farthing_client::x402::X402_VERSION;
use serde_json::{Value, json};

use super::routes::{App, resource_url};
use crate::prices::ModelPrices;

/// Where the catalogue is.
pub(crate) const CATALOGUE: &str = "/.well-known/x402";

/// The models that are listed by name, as the OpenAI API lists them, each with its standard price.
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    let prices = &app.gateway.offer().prices;
    let standard = prices.tiers.first().map(|tier| &tier.models);
    let data: Vec<Value> = standard
        .into_iter()
        .chain([&prices.free])
        .flat_map(ModelPrices::names)
        .map(|(name, price)| {
            json!({
                "id": name,
                "object": "model",
                "created": 0,
                "owned_by": "provider",
                "pricing": price,
            })
        })
        .collect();
    Json(json!({"object": "list", "data": data}))
}

/// Everything that is sold: every endpoint with the ways to pay, each with the prices of its tier by name and
/// pattern. An amount follows only from a request, whose 402 names it.
pub(crate) async fn catalogue(State(app): State<Arc<App>>, headers: HeaderMap) -> Json<Value> {
    let accepts = app.gateway.ways_to_pay();
    let free: Vec<&str> = app
        .gateway
        .offer()
        .prices
        .free
        .all()
        .map(|(name, _)| name)
        .collect();
    let resources: Vec<Value> = Endpoint::ALL
        .iter()
        .map(|endpoint| {
            json!({
                "resource": resource_url(&app, &headers, endpoint.path()),
                "type": "http",
                "method": "POST",
                "accepts": accepts,
                "freeModels": free,
            })
        })
        .collect();
    Json(json!({"x402Version": X402_VERSION, "resources": resources}))
}
