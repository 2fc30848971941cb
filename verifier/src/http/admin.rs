//! The operator's endpoints, on an address of their own: metrics, and whether the verifier serves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::error::ApiError;
use super::sale::checkout::Checkout;
use super::server::ConnectionLimits;
use crate::metrics::Metrics;
use crate::store::StoreFailed;

/// Path that Prometheus scrapes.
const METRICS: &str = "/metrics";
/// Path by which a supervisor or load balancer checks whether the verifier serves.
const HEALTH: &str = "/healthz";
/// Content type of the metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connection limits of the operator's address: enough for a few scrapers that keep their connections open.
pub(crate) const LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 64,
    // Longer than the usual interval between scrapes, so that connections are kept.
    header_timeout: Duration::from_secs(120),
    max_header_bytes: 8 * 1024,
};

/// Router of all operator endpoints.
pub(crate) fn router(metrics: Arc<Metrics>, checkout: Arc<Checkout>) -> Router {
    let health = Router::new()
        .route(HEALTH, get(healthz))
        .with_state(checkout);
    metrics_router(metrics).merge(health)
}

/// Router of `GET /metrics` alone, for an application that serves it on its own address.
pub(crate) fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(METRICS, get(scrape))
        .with_state(metrics)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    // Encoding reads the length of the store's file from disk, which may block.
    let text = tokio::task::spawn_blocking(move || metrics.text()).await;
    match text {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "panic while encoding the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn healthz(State(checkout): State<Arc<Checkout>>) -> Response {
    if checkout.payments.store_has_failed() {
        return ApiError::from(StoreFailed).into_response();
    }
    if checkout.draining.is_cancelled() {
        return ApiError::shutting_down().into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}
