//! The routes that are sold, and the way of one request through this crate.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use farthing_client::pricing::Endpoint;
use farthing_client::receipt::{KEY_SET_PATH, KeySet};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bill::{BYTES_PER_TOKEN, Bill, Produced};
use super::catalogue::{CATALOGUE, catalogue, models};
use super::error::ApiError;
use super::lane_state::{LANE_STATE, lane_state};
use super::proxy::{Upstream, returned_headers};
use super::replay::{kept, replay};
use super::stream::{Surroundings, is_event_stream_type, relay};
use super::{challenge, cors, idempotency, meter, page};
use crate::crash_point::CrashPoint;
use crate::gateway::{Admission, Gateway, Replay};
use crate::ports::Clock;
use crate::prices::{Order, TierQuote};
use crate::receipts::Issuer;

/// The header by which a client asks for a tier.
const TIER: &str = "farthing-tier";

/// Everything that a request meets.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gateway: Gateway,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) upstream: Upstream,
    pub(crate) limits: Limits,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) public_url: Option<String>,
    pub(crate) cors_origins: Vec<String>,
    /// No new request is served.
    pub(crate) draining: CancellationToken,
    /// Streams that still run are cut off.
    pub(crate) cut_off: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_header_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) checkpoint_interval: Duration,
    /// Longest answer that is kept for whoever asks again.
    pub(crate) max_stored_answer_bytes: usize,
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let sold =
            move |State(app): State<Arc<App>>, request: Request| sold(endpoint, app, request);
        router = router.route(endpoint.path(), post(sold));
    }
    router
        .route("/v1/models", get(models))
        .route(CATALOGUE, get(catalogue))
        .route(KEY_SET_PATH, get(key_set))
        .route(LANE_STATE, get(lane_state))
        .route("/healthz", get(healthz))
        .fallback(not_sold)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&app), page::for_browsers))
        .layer(from_fn_with_state(Arc::clone(&app), check_head))
        .layer(cors::layer(&app.cors_origins))
        .with_state(app)
}

async fn not_sold() -> ApiError {
    ApiError::route_not_sold()
}

/// Nothing is sold by another method, but somebody may want to look at what is.
async fn other_method(State(app): State<Arc<App>>, request: Request) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    if page::is_visit(request.method(), headers) {
        let url = resource_url(&app, headers, path);
        return page::without_request(app.gateway.offer(), &url);
    }
    ApiError::route_not_sold().into_response()
}

async fn check_head(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limit = app.limits.max_header_bytes;
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
    if app.gateway.store_has_failed() {
        return ApiError::from(crate::store::StoreFailed).into_response();
    }
    if app.draining.is_cancelled() {
        return ApiError::shutting_down().into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}

/// Who signs the receipts. A channel on the chain says the same.
async fn key_set(State(app): State<Arc<App>>) -> Json<KeySet> {
    Json(KeySet::of(&app.issuer.settler()))
}

async fn sold(endpoint: Endpoint, app: Arc<App>, request: Request) -> Response {
    // Dropping the sale stops the upstream and charges what a client would owe that went away.
    let outcome = tokio::select! {
        outcome = sell(endpoint, &app, request) => outcome,
        () = app.cut_off.cancelled() => Err(ApiError::shutting_down()),
    };
    outcome.unwrap_or_else(ApiError::into_response)
}

/// A request that may be served.
struct Sale {
    endpoint: Endpoint,
    client_headers: HeaderMap,
    /// What tells the upstream of the tier.
    tier_headers: Vec<(String, String)>,
    body: Arc<Value>,
    is_stream: bool,
    /// Whether the client did not ask for the chunk that says what was used.
    hides_usage: bool,
    output_bound: u64,
    bill: Bill,
    permit: OwnedSemaphorePermit,
}

/// What a request leads to.
enum Taken {
    Sale(Sale),
    /// It was asked before, and answered.
    Replay(Replay),
}

async fn sell(endpoint: Endpoint, app: &Arc<App>, request: Request) -> Result<Response, ApiError> {
    let pays = challenge::pays(request.headers());
    match take_order(endpoint, app, request).await {
        // Whoever may ask again finds the answer, so it is worth having even if nobody waits for it. A
        // stream stops with its client and keeps what it has until then.
        Ok(Taken::Sale(sale)) if sale.bill.is_repeatable() && !sale.is_stream => {
            let (app, tasks) = (Arc::clone(app), app.tasks.clone());
            let serving = tasks.spawn(async move {
                tokio::select! {
                    outcome = serve(&app, sale) => outcome,
                    () = app.cut_off.cancelled() => Err(ApiError::shutting_down()),
                }
            });
            serving.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a request panicked");
                Err(ApiError::failed())
            })
        }
        Ok(Taken::Sale(sale)) => serve(app, sale).await,
        Ok(Taken::Replay(again)) => replay(&app.issuer, again),
        // Whatever the reason, a client that paid learns that its voucher was not used.
        Err(error) if pays => Err(challenge::refusal(&app.gateway, error)),
        Err(error) => Err(error),
    }
}

/// Everything before the service: nothing is changed unless the payment is accepted.
async fn take_order(endpoint: Endpoint, app: &App, request: Request) -> Result<Taken, ApiError> {
    if app.draining.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    let permit = Arc::clone(&app.permits)
        .try_acquire_owned()
        .map_err(|_| ApiError::overloaded())?;
    let (head, body) = request.into_parts();
    let payment = challenge::payment(&head.headers)?;
    let body = read_body(app, &head.headers, body).await?;
    // Only what is paid for is ever told from other requests.
    let payment = payment
        .map(|payment| {
            let request = idempotency::digest(&head.method, &head.uri, &body);
            let key = idempotency::client_key(&head.headers, &payment, request)?;
            Ok::<_, ApiError>((payment, request, key))
        })
        .transpose()?;
    let body: Value = serde_json::from_slice(&body).map_err(|error| {
        ApiError::invalid_request(format!("the body is not JSON: {error}"), None)
    })?;
    let tier = tier(&head.headers)?;
    let order = app.gateway.offer().prices.order(endpoint, &body, tier)?;
    let (tier, mut quote, accepted) = match order {
        Order::Free(quote) => (None, quote, None),
        Order::Paid(mut quotes) => {
            let url = resource_url(app, &head.headers, head.uri.path());
            let Some((payment, request, key)) = payment else {
                return Err(challenge::required(&app.gateway, &quotes, url));
            };
            let admission = app
                .gateway
                .accept(&payment, key.as_ref(), &quotes)
                .await
                .map_err(|refused| challenge::refused(&app.gateway, &quotes, url, &refused))?;
            match admission {
                Admission::Replay(again) => return Ok(Taken::Replay(again)),
                Admission::Accepted(accepted) => {
                    let TierQuote { tier, quote } = quotes.swap_remove(accepted.chosen);
                    (Some(tier), quote, Some((accepted, request)))
                }
            }
        }
    };
    let body = Arc::new(std::mem::take(&mut quote.upstream_body));
    let bill = match accepted {
        Some((accepted, request)) => {
            Bill::paid(accepted, &quote, request, Arc::clone(&body), &app.issuer)
        }
        None => Bill::Free,
    };
    let tiers = &app.gateway.offer().prices.tiers;
    let tier_headers = tier.and_then(|tier| tiers.get(tier));
    Ok(Taken::Sale(Sale {
        endpoint,
        client_headers: head.headers,
        tier_headers: tier_headers.map_or_else(Vec::new, |tier| tier.upstream_headers.clone()),
        body,
        is_stream: quote.stream,
        hides_usage: !quote.wants_usage,
        output_bound: quote.bounds.completion_tokens,
        bill,
        permit,
    }))
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

async fn read_body(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let limit = app.limits.max_body_bytes;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::body_too_large(limit));
    }
    let reading = axum::body::to_bytes(body, limit);
    match tokio::time::timeout(app.limits.body_timeout, reading).await {
        Ok(Ok(body)) => Ok(body),
        // The limit is the only error that a client sees the answer to.
        Ok(Err(_)) => Err(ApiError::body_too_large(limit)),
        Err(_) => Err(ApiError::body_incomplete()),
    }
}

pub(crate) fn resource_url(app: &App, headers: &HeaderMap, path: &str) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (&app.public_url, host) {
        (Some(base), _) => format!("{}{path}", base.trim_end_matches('/')),
        (None, Some(host)) => format!("http://{host}{path}"),
        (None, None) => path.to_owned(),
    }
}

/// Asks the upstream while the reservation becomes durable, and passes its answer on.
async fn serve(app: &App, sale: Sale) -> Result<Response, ApiError> {
    let Sale {
        endpoint,
        client_headers,
        tier_headers,
        body,
        is_stream: _,
        hides_usage,
        output_bound,
        mut bill,
        permit,
    } = sale;
    // From here on the upstream works; a client that goes away pays for the input.
    bill.if_dropped(Produced::Estimated(0));
    let upstream = match app
        .upstream
        .send(endpoint, &client_headers, &tier_headers, &body)
        .await
    {
        Ok(upstream) => upstream,
        Err(error) => return Err(bill.fail(error).await),
    };
    CrashPoint::UpstreamAnswered.pass();
    if upstream.status().is_success() && is_event_stream_type(upstream.headers()) {
        let surroundings = Surroundings {
            idle_timeout: app.upstream.idle_timeout(),
            checkpoint_interval: app.limits.checkpoint_interval,
            max_stored_bytes: app.limits.max_stored_answer_bytes,
            hides_usage,
            output_bound,
            cut_off: app.cut_off.clone(),
            tasks: app.tasks.clone(),
            permit,
        };
        return relay(upstream, bill, surroundings).await;
    }
    pass_whole(app, upstream, bill).await
}

/// An answer that is not a stream leaves as a whole, once its charge is durable. The charge is queued
/// without waiting for the reservation's commit: the queue keeps their order.
async fn pass_whole(
    app: &App,
    mut upstream: reqwest::Response,
    mut bill: Bill,
) -> Result<Response, ApiError> {
    let status = upstream.status();
    let read = app
        .upstream
        .read(&mut upstream, |length| {
            bill.if_dropped(Produced::Estimated(length as u64 / BYTES_PER_TOKEN));
        })
        .await;
    let body = match read {
        Ok(body) => body,
        Err(error) => return Err(bill.fail(error).await),
    };
    let produced = if status.is_success() {
        match meter::of_answer(&body) {
            Some(produced) => produced,
            None => {
                let message = "the model's server did not answer with JSON";
                return Err(bill.fail(ApiError::upstream_invalid(message)).await);
            }
        }
    } else {
        // The upstream failed, whatever its body says.
        Produced::Nothing
    };
    let headers = returned_headers(upstream.headers());
    let is_kept = bill.is_repeatable() && body.len() <= app.limits.max_stored_answer_bytes;
    let answer = is_kept.then(|| kept(status, &headers, &body, true));
    let payment = bill.settle_with_headers(produced, answer).await?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    payment.write_to(response.headers_mut());
    Ok(response)
}
