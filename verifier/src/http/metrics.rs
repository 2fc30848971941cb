//! `GET /metrics`, on an address of its own: it tells what is earned, which is nobody's business but the operator's.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::server::ConnectionLimits;
use crate::metrics::Metrics;

/// The route.
pub(crate) const METRICS: &str = "/metrics";
/// What it answers with.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// For a few scrapers, each with a connection that it keeps.
pub(crate) const LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 64,
    // Longer than scrapes are apart.
    header_timeout: Duration::from_secs(120),
    max_header_bytes: 8 * 1024,
};

pub(crate) fn router(metrics: Arc<Metrics>) -> Router {
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
