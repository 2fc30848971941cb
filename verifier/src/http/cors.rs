//! Which web pages may use this provider: by default all, because whoever pays is welcome and nothing here rests on
//! cookies. Credentials are never allowed.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, Method};
use farthing_wire::x402::{PAYMENT_REQUIRED, PAYMENT_RESPONSE};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::sale::replay::REPLAYED;
use super::x402::payment_required::PAYMENT_METHODS;
use crate::config::ANY_ORIGIN;
use crate::prices::RoutePrices;

/// How long a browser may remember what it is allowed. Chromium remembers nothing for longer.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Answers preflights, and says what a page may read of an answer. `origins` were checked with the configuration.
pub(crate) fn layer(origins: &[String], routes: &RoutePrices) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == ANY_ORIGIN) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        )
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(methods(routes))
        // Clients of the OpenAI API send headers of their own; none of them means anything here.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static(PAYMENT_REQUIRED),
            HeaderName::from_static(PAYMENT_RESPONSE),
            PAYMENT_METHODS,
            REPLAYED,
            RETRY_AFTER,
        ])
        .max_age(MAX_AGE)
}

/// What is sold by model is asked for by these two; a plain route has its own.
fn methods(routes: &RoutePrices) -> Vec<Method> {
    let mut methods = vec![Method::GET, Method::POST];
    let others = routes.all();
    let others = others.filter_map(|route| Method::try_from(route.method()).ok());
    for method in others {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}
