//! The catalogue of what is sold, with prices: `GET /v1/models` and `GET /.well-known/x402`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use farthing_wire::pricing::Endpoint;
use farthing_wire::x402::X402_VERSION;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::app::App;
use super::error::ApiError;
use super::upstream::Upstreams;
use crate::prices::{ModelPrices, Prices, SoldModel};

/// Path of one model. A name may have slashes.
pub(crate) const MODEL: &str = "/v1/models/{*model}";
/// How long the upstreams' own lists of models are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The models that the upstreams list, remembered for a while: many clients ask at their start.
#[derive(Debug, Default)]
pub(crate) struct UpstreamModels(Mutex<Option<(Instant, Arc<[String]>)>>);

impl UpstreamModels {
    async fn of(&self, upstreams: &Upstreams) -> Arc<[String]> {
        let mut remembered = self.0.lock().await;
        if let Some((since, models)) = &*remembered
            && since.elapsed() < REMEMBERED
        {
            return Arc::clone(models);
        }
        let lists = upstreams.iter().map(|upstream| upstream.models());
        let models: Arc<[String]> = join_all(lists).await.into_iter().flatten().collect();
        *remembered = Some((Instant::now(), Arc::clone(&models)));
        models
    }
}

/// The models that are sold, as the OpenAI API lists them, each with its standard price: those that are listed by name,
/// and those that the upstreams list and a pattern sells.
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    let prices = &app.checkout.payments.offer().prices;
    let lists = lists(prices);
    let named = lists.iter().flat_map(|list| list.names());
    let mut sold: Vec<(&str, &SoldModel)> = named.collect();
    let has_patterns = lists
        .iter()
        .any(|list| list.all().count() > list.names().count());
    let upstreams_models = if has_patterns {
        app.upstream_models.of(&app.upstreams).await
    } else {
        Arc::default()
    };
    for name in upstreams_models.iter() {
        if let Some(model) = sold_as(prices, name)
            && sold.iter().all(|(known, _)| known != name)
        {
            sold.push((name.as_str(), model));
        }
    }
    let data: Vec<Value> = sold
        .into_iter()
        .map(|(name, model)| described(name, model))
        .collect();
    Json(json!({"object": "list", "data": data}))
}

/// One model that is sold, whether by name or by pattern.
pub(crate) async fn model(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let prices = &app.checkout.payments.offer().prices;
    match sold_as(prices, &name) {
        Some(model) => Ok(Json(described(&name, model))),
        None => Err(ApiError::model_not_found(&name)),
    }
}

/// The models of the standard tier, and those that are free.
fn lists(prices: &Prices) -> Vec<&ModelPrices> {
    let standard = prices.tiers.first().map(|tier| &tier.models);
    standard.into_iter().chain([&prices.free]).collect()
}

fn sold_as<'a>(prices: &'a Prices, name: &str) -> Option<&'a SoldModel> {
    lists(prices).into_iter().find_map(|list| list.of(name))
}

fn described(name: &str, model: &SoldModel) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "provider",
        "pricing": model.price,
    })
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
