//! The router: which handler serves which route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use farthing_wire::pricing::Endpoint;
use farthing_wire::receipt::{KEY_SET_PATH, KeySet};
use serde_json::{Value, json};

use super::app::App;
use super::catalogue::{MODEL, catalogue, model, models};
use super::error::ApiError;
use super::sale::checkout::Checkout;
use super::sale::models::Models;
use super::sale::plain::{Plain, PlainPrice, pass_on};
use super::sale::sell;
use super::x402::facilitator;
use super::x402::lane_state::{LANE_STATE, lane_state};
use super::{cors, page};
use crate::prices::Route;
use crate::prices::reserved::{CATALOGUE, HEALTH, MODELS};

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let sold = move |State(app): State<Arc<App>>, request: Request| async move {
            let upstreams = app.upstreams.clone();
            sell(
                &app.checkout,
                Models {
                    endpoint,
                    upstreams,
                },
                request,
            )
            .await
        };
        router = router.route(endpoint.path(), post(sold));
    }
    if app.facilitator.is_some() {
        router = router.merge(facilitator::routes(Arc::clone(&app)));
    }
    router
        .route(MODELS, get(models))
        .route(MODEL, get(model))
        .route(CATALOGUE, get(catalogue))
        .route(HEALTH, get(healthz))
        .merge(about_payments(Arc::clone(&app.checkout)))
        .fallback(plain)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&app), page::for_browsers))
        .layer(from_fn_with_state(Arc::clone(&app), check_head))
        .layer(cors::layer(
            &app.cors_origins,
            &app.checkout.payments.offer().prices.routes,
        ))
        .with_state(app)
}

/// Routes that every seller has: the key that signs its receipts, and the state of a lane.
pub(crate) fn about_payments<S>(checkout: Arc<Checkout>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(KEY_SET_PATH, get(key_set))
        .route(LANE_STATE, get(lane_state))
        .with_state(checkout)
}

/// Sells a plain route if it is listed, and answers 404 otherwise.
async fn plain(State(app): State<Arc<App>>, request: Request) -> Response {
    let routes = &app.checkout.payments.offer().prices.routes;
    match routes.of(request.method().as_str(), request.uri().path()) {
        Some(route) => sell_plain(&app, route, request).await,
        None => match resembled(request.uri().path()) {
            Some(right) => ApiError::path_resembles(right).into_response(),
            None => ApiError::route_not_sold().into_response(),
        },
    }
}

/// The path that a client meant whose base URL lacks the `/v1`, or has it or a slash too much.
fn resembled(path: &str) -> Option<&'static str> {
    let segments = |path: &str| {
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty() && *segment != "v1");
        segments.map(str::to_owned).collect::<Vec<_>>()
    };
    let asked = segments(path);
    let paths = Endpoint::ALL.iter().map(|endpoint| endpoint.path());
    let mut matching: Vec<_> = paths
        .chain([MODELS])
        .filter(|path| asked.ends_with(&segments(path)))
        .collect();
    matching.sort_by_key(|path| path.len());
    matching.pop()
}

async fn sell_plain(app: &App, route: &Route, request: Request) -> Response {
    let price = match route.price {
        Some(price) => PlainPrice::Listed(Arc::clone(&route.name), price),
        None => PlainPrice::Free,
    };
    let Some(upstream) = app.upstreams.first() else {
        return ApiError::route_not_sold().into_response();
    };
    let serve = move |request| pass_on(upstream, request);
    sell(&app.checkout, Plain { price, serve }, request).await
}

/// Handles a request whose path belongs to another route but with another method: it may be a plain route with this
/// method, or a browser visit to a POST-only route, which gets the payment page.
async fn other_method(State(app): State<Arc<App>>, request: Request) -> Response {
    let (method, headers, path) = (request.method(), request.headers(), request.uri().path());
    let offer = app.checkout.payments.offer();
    if offer.prices.routes.of(method.as_str(), path).is_some() {
        return plain(State(app), request).await;
    }
    if page::is_visit(method, headers) {
        let url = app.checkout.url(headers, path);
        return page::without_request(offer, &url);
    }
    ApiError::route_not_sold().into_response()
}

async fn check_head(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limit = app.max_header_bytes;
    let fields = request.headers().iter();
    // Adds 4 bytes per header line besides its name and value: colon, space, CR and LF.
    let length: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if length + request.uri().to_string().len() > limit {
        return ApiError::headers_too_large(limit).into_response();
    }
    next.run(request).await
}

/// Says only that the process answers; `/healthz` on the operator's address says whether the verifier serves.
async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The key set with which receipts are checked: the settler's key, which a channel on the chain names as well.
async fn key_set(State(checkout): State<Arc<Checkout>>) -> Json<KeySet> {
    Json(KeySet::of(&checkout.issuer.settler()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_that_was_meant_is_found() {
        for (path, meant) in [
            ("/chat/completions", Some("/v1/chat/completions")),
            ("/v1/chat/completions/", Some("/v1/chat/completions")),
            ("/v1//chat/completions", Some("/v1/chat/completions")),
            ("/v1/v1/chat/completions", Some("/v1/chat/completions")),
            ("/api/v1/responses", Some("/v1/responses")),
            ("/completions", Some("/v1/completions")),
            ("/messages/count_tokens", Some("/v1/messages/count_tokens")),
            ("/models", Some("/v1/models")),
            ("/", None),
            ("/v1", None),
            ("/v1/files", None),
        ] {
            assert_eq!(resembled(path), meant, "{path}");
        }
    }
}
