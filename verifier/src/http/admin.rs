//! The operator's address: what is earned, and whether the verifier serves. Neither is anybody else's business.

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

/// Where Prometheus reads.
const METRICS: &str = "/metrics";
/// Where a supervisor or a load balancer asks whether the verifier serves.
const HEALTH: &str = "/healthz";
/// What Prometheus is answered with.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// For a few scrapers, each with a connection that it keeps.
pub(crate) const LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 64,
    // Longer than scrapes are apart.
    header_timeout: Duration::from_secs(120),
    max_header_bytes: 8 * 1024,
};

/// Everything that an operator may ask.
pub(crate) fn router(metrics: Arc<Metrics>, checkout: Arc<Checkout>) -> Router {
    let health = Router::new()
        .route(HEALTH, get(healthz))
        .with_state(checkout);
    metrics_router(metrics).merge(health)
}

/// `GET /metrics` alone, for an application that has an address of its own for it.
pub(crate) fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(METRICS, get(scrape))
        .with_state(metrics)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    // It asks the disk for the length of a file, which may take its time.
    let text = tokio::task::spawn_blocking(move || metrics.text()).await;
    match text {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a scrape panicked");
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
