//! Plain routes, which are sold by the request and by the byte, or are free.

use std::sync::Arc;

use farthing_wire::pricing::{RoutePattern, RoutePrice};

/// A route that is served.
#[derive(Debug, Clone)]
pub struct Route {
    pattern: RoutePattern,
    /// Method and path as they were configured.
    pub name: Arc<str>,
    /// Price of the route; `None` if it is free.
    pub price: Option<RoutePrice>,
}

impl Route {
    /// Method of the route.
    #[must_use]
    pub fn method(&self) -> &str {
        self.pattern.method()
    }

    /// Path of the route, in which `*` matches any single segment.
    #[must_use]
    pub fn path(&self) -> &str {
        self.pattern.path()
    }
}

/// The plain routes that are served. A route that is not listed is not served.
#[derive(Debug, Clone, Default)]
pub struct RoutePrices {
    /// Ordered by precedence: the first route that matches is used.
    routes: Vec<Route>,
}

impl RoutePrices {
    /// Makes the list from routes with their prices; routes without a price are free.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = (RoutePattern, Option<RoutePrice>)>) -> Self {
        let routes = routes.into_iter().map(|(pattern, price)| Route {
            name: pattern.as_str().into(),
            pattern,
            price,
        });
        let mut routes: Vec<Route> = routes.collect();
        routes.sort_by_key(|route| route.pattern.precedence());
        Self { routes }
    }

    /// The route of a request.
    #[must_use]
    pub fn of(&self, method: &str, path: &str) -> Option<&Route> {
        let mut routes = self.routes.iter();
        routes.find(|route| route.pattern.matches(method, path))
    }

    /// All routes.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

#[cfg(test)]
mod tests {
    use farthing_protocol::BaseUnits;

    use super::*;

    fn routes(prices: &[(&str, Option<u64>)]) -> RoutePrices {
        let prices = prices.iter().map(|(pattern, price)| {
            let price = price.map(|price| RoutePrice::per_request(BaseUnits(price)));
            (pattern.parse().expect("a route"), price)
        });
        RoutePrices::new(prices)
    }

    #[test]
    fn a_route_that_is_named_precedes_patterns() {
        let routes = routes(&[
            ("GET /v1/*", Some(1)),
            ("GET /v1/voices", None),
            ("POST /v1/speech", Some(2)),
            ("GET /*/voices", Some(3)),
        ]);
        let price = |method, path| {
            let route = routes.of(method, path)?;
            Some(route.price.map(|price| price.per_request.0))
        };
        assert_eq!(price("GET", "/v1/models"), Some(Some(1)));
        assert_eq!(price("GET", "/v1/voices"), Some(None));
        assert_eq!(price("GET", "/v2/voices"), Some(Some(3)));
        assert_eq!(price("POST", "/v1/speech"), Some(Some(2)));
        for (method, path) in [
            ("POST", "/v1/voices"),
            ("GET", "/v1/voices/x"),
            ("GET", "/v1"),
            ("GET", "/v1/.."),
            ("get", "/v1/voices"),
        ] {
            assert_eq!(price(method, path), None, "{method} {path}");
        }
    }
}
