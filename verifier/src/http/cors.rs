//! CORS: which web pages may use this provider. By default all may, because requests are authorized by their payment
//! and not by cookies. Credentials are never allowed.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, Method};
use farthing_wire::x402::{PAYMENT_REQUIRED, PAYMENT_RESPONSE};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::sale::replay::REPLAYED;
use super::x402::payment_required::PAYMENT_METHODS;
use crate::config::ANY_ORIGIN;
use crate::prices::RoutePrices;

/// How long a browser may cache the answer to a preflight. Chromium caches none for longer.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The layer that answers preflights and lists the response headers that a page may read. `origins` were validated with
/// the configuration.
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
        // Allows any header, because clients of the OpenAI API send headers of their own; they are ignored here.
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

/// The methods that are allowed: GET and POST for models, and the methods of all plain routes.
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
