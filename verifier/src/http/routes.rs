//! The routes that are served, and what is sold by model.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use farthing_wire::pricing::{Endpoint, Quote};
use farthing_wire::receipt::{KEY_SET_PATH, KeySet};

use serde_json::{Value, json};

use super::bill::Bill;
use super::catalogue::{catalogue, models};
use super::error::ApiError;
use super::facilitator::{self, Facilitator};
use super::lane_state::{LANE_STATE, lane_state};
use super::paywall::{self, Goods};
use super::proxy::{JSON, Question, Upstream};
use super::replay::replay;
use super::serve::{Sale, counted, serve};
use super::till::{Arrived, Collected, Till};
use super::{challenge, cors, page};
use crate::metering::{Metering, Tariff};
use crate::metrics::Asked;
use crate::prices::reserved::{CATALOGUE, HEALTH, MODELS};
use crate::prices::{Order, Route, TierQuote};

/// The header by which a client asks for a tier.
const TIER: &str = "farthing-tier";

/// Everything that a request meets.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) till: Arc<Till>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) max_header_bytes: usize,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) facilitator: Option<Facilitator>,
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let sold =
            move |State(app): State<Arc<App>>, request: Request| sold(endpoint, app, request);
        router = router.route(endpoint.path(), post(sold));
    }
    if app.facilitator.is_some() {
        router = router.merge(facilitator::routes(Arc::clone(&app)));
    }
    router
        .route(MODELS, get(models))
        .route(CATALOGUE, get(catalogue))
        .route(HEALTH, get(healthz))
        .merge(about_payments(Arc::clone(&app.till)))
        .fallback(plain)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&app), page::for_browsers))
        .layer(from_fn_with_state(Arc::clone(&app), check_head))
        .layer(cors::layer(
            &app.cors_origins,
            &app.till.gateway.offer().prices.routes,
        ))
        .with_state(app)
}

/// What every seller answers: who signs its receipts, and what became of a lane.
pub(crate) fn about_payments<S>(till: Arc<Till>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(KEY_SET_PATH, get(key_set))
        .route(LANE_STATE, get(lane_state))
        .with_state(till)
}

/// A plain route, if it is listed.
async fn plain(State(app): State<Arc<App>>, request: Request) -> Response {
    let routes = &app.till.gateway.offer().prices.routes;
    match routes.of(request.method().as_str(), request.uri().path()) {
        Some(route) => sell_plain(&app, route, request).await,
        None => ApiError::route_not_sold().into_response(),
    }
}

async fn sell_plain(app: &App, route: &Route, request: Request) -> Response {
    let goods = match route.price {
        Some(price) => Goods::Listed(Arc::clone(&route.name), price),
        None => Goods::Free,
    };
    let upstream = Arc::clone(&app.upstream);
    let pass_on = move |request: Request| async move {
        let (head, body) = request.into_parts();
        // It is here as a whole already.
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let question = Question {
            path: head.uri.path_and_query().map_or("/", |path| path.as_str()),
            client_headers: &head.headers,
            content_type: head.headers.get(CONTENT_TYPE).cloned(),
            tier_headers: &[],
            method: head.method,
            body: body.unwrap_or_default(),
        };
        upstream.ask(question).await
    };
    paywall::sell(&app.till, goods, request, pass_on).await
}

/// What is not sold by one method may be sold by another, or somebody may want to look at what is.
async fn other_method(State(app): State<Arc<App>>, request: Request) -> Response {
    let (method, headers, path) = (request.method(), request.headers(), request.uri().path());
    let offer = app.till.gateway.offer();
    if offer.prices.routes.of(method.as_str(), path).is_some() {
        return plain(State(app), request).await;
    }
    if page::is_visit(method, headers) {
        let url = app.till.url(headers, path);
        return page::without_request(offer, &url);
    }
    ApiError::route_not_sold().into_response()
}

async fn check_head(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limit = app.max_header_bytes;
    let fields = request.headers().iter();
    // What the line of a field takes besides its name and value: colon, space, CR and LF.
    let length: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if length + request.uri().to_string().len() > limit {
        return ApiError::headers_too_large(limit).into_response();
    }
    next.run(request).await
}

async fn healthz(State(app): State<Arc<App>>) -> Response {
    if app.till.gateway.store_has_failed() {
        return ApiError::from(crate::store::StoreFailed).into_response();
    }
    if app.till.draining.is_cancelled() {
        return ApiError::shutting_down().into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}

/// Who signs the receipts. A channel on the chain says the same.
async fn key_set(State(till): State<Arc<Till>>) -> Json<KeySet> {
    Json(KeySet::of(&till.issuer.settler()))
}

async fn sold(endpoint: Endpoint, app: Arc<App>, request: Request) -> Response {
    let selling = sell(endpoint, &app, request);
    counted(&app.till, Asked::Model(endpoint), selling).await
}

/// A model's request that may be served.
struct ModelSale {
    sale: Sale,
    client_headers: HeaderMap,
    /// What tells the upstream of the tier.
    tier_headers: Vec<(String, String)>,
    body: Arc<Value>,
}

/// What a request leads to.
enum Taken {
    Sale(Box<ModelSale>),
    /// It was asked before, and answered.
    Answer(Result<Response, ApiError>),
}

async fn sell(endpoint: Endpoint, app: &Arc<App>, request: Request) -> Result<Response, ApiError> {
    let till = &app.till;
    let pays = challenge::pays(request.headers());
    match take_order(endpoint, till, request).await {
        Ok(Taken::Sale(taken)) => {
            let ModelSale {
                sale,
                client_headers,
                tier_headers,
                body,
            } = *taken;
            let upstream = Arc::clone(&app.upstream);
            let service = async move {
                let question = Question {
                    method: Method::POST,
                    path: endpoint.path(),
                    client_headers: &client_headers,
                    content_type: Some(JSON),
                    tier_headers: &tier_headers,
                    body: body.to_string().into(),
                };
                upstream.ask(question).await
            };
            serve(till, sale, service).await
        }
        Ok(Taken::Answer(answer)) => answer,
        // Whatever the reason, a client that paid learns that its voucher was not used.
        Err(error) if pays => Err(challenge::refusal(&till.gateway, error)),
        Err(error) => Err(error),
    }
}

/// Everything before the service: nothing is changed unless the payment is accepted.
async fn take_order(endpoint: Endpoint, till: &Till, request: Request) -> Result<Taken, ApiError> {
    let arrived = till.take_in(request).await?;
    let body: Value = serde_json::from_slice(&arrived.body).map_err(|error| {
        ApiError::invalid_request(format!("the body is not JSON: {error}"), None)
    })?;
    let prices = &till.gateway.offer().prices;
    let order = prices.order(endpoint, &body, tier(&arrived.head.headers)?)?;
    let (mut quote, paid) = match order {
        Order::Free(quote) => (quote, None),
        Order::Paid(mut quotes) => match till.collect(&arrived, &quotes).await? {
            Collected::Again(again) => return Ok(Taken::Answer(replay(&till.issuer, again))),
            Collected::Paid(accepted, request) => {
                let TierQuote { tier, quote } = quotes.swap_remove(accepted.chosen);
                (quote, Some((tier, accepted, request)))
            }
        },
    };
    let body = Arc::new(std::mem::take(&mut quote.upstream_body));
    let (bill, tier_headers) = match paid {
        None => (Bill::Free, Vec::new()),
        Some((tier, accepted, request)) => {
            let tariff = Tariff::of_model(&quote, Arc::clone(&body));
            let tier = prices.tiers.get(tier);
            let headers = tier.map(|tier| tier.upstream_headers.clone());
            let bill = Bill::paid(accepted, tariff, request, till);
            (bill, headers.unwrap_or_default())
        }
    };
    let Arrived { head, place, .. } = arrived;
    Ok(Taken::Sale(Box::new(ModelSale {
        sale: Sale {
            asked: Asked::Model(endpoint),
            bill,
            metering: metering(&quote),
            // A stream stops with its client and keeps what it has until then.
            stops_with_client: quote.stream,
            place,
        },
        client_headers: head.headers,
        tier_headers,
        body,
    })))
}

fn metering(quote: &Quote) -> Metering {
    Metering::of_model(quote.bounds.completion_tokens, !quote.wants_usage)
}

/// The tier that a request asks for.
fn tier(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(TIER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(tier), None) => tier
            .to_str()
            .map(Some)
            .map_err(|_| ApiError::invalid_request("the tier is no text", None)),
        (Some(_), Some(_)) => {
            let message = "give the Farthing-Tier header once";
            Err(ApiError::invalid_request(message, None))
        }
    }
}
