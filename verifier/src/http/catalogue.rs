//! The catalogue of what is sold, with prices: `GET /v1/models` and `GET /.well-known/x402`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use farthing_wire::pricing::Endpoint;
use farthing_wire::x402::X402_VERSION;
use serde_json::{Value, json};

use super::app::App;
use crate::prices::ModelPrices;

/// The models that are listed by name, as the OpenAI API lists them, each with its standard price.
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    let prices = &app.checkout.payments.offer().prices;
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

/// Everything that is sold: every model endpoint with the ways to pay for it (one per tier, with the tier's prices by
/// model name and pattern), and every plain route with its price. Amounts are not listed: the amount depends on the
/// request, and the 402 for that request states it.
pub(crate) async fn catalogue(State(app): State<Arc<App>>, headers: HeaderMap) -> Json<Value> {
    let offer = app.checkout.payments.offer();
    let prices = &offer.prices;
    let accepts = offer.ways_to_pay();
    let free: Vec<&str> = prices.free.all().map(|(name, _)| name).collect();
    let of_models = Endpoint::ALL.iter().map(|endpoint| {
        json!({
            "resource": app.checkout.url(&headers, endpoint.path()),
            "type": "http",
            "method": "POST",
            "accepts": accepts,
            "freeModels": free,
        })
    });
    let of_routes = prices.routes.all().map(|route| {
        let way = route
            .price
            .map(|price| offer.way_to_pay_for(&route.name, price));
        json!({
            "resource": app.checkout.url(&headers, route.path()),
            "type": "http",
            "method": route.method(),
            // A free route lists no way to pay.
            "accepts": way.into_iter().collect::<Vec<_>>(),
        })
    });
    let sells_models = prices.sells_models();
    let of_models = of_models.filter(|_| sells_models);
    let resources: Vec<Value> = of_models.chain(of_routes).collect();
    Json(json!({"x402Version": X402_VERSION, "resources": resources}))
}
