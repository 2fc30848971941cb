//! `POST /verify`, `POST /settle`, `GET /supported`: the x402 facilitator API, for other servers of this payee that
//! sell their own services.
//!
//! `/verify` and `/settle` require a bearer token. The result for a payment is given in x402's format, with status 200
//! or 503; every other failure is an [`ApiError`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use farthing_wire::idempotency::PAYMENT_IDENTIFIER;
use farthing_wire::x402::SettleResponse;
use farthing_wire::x402::facilitator::{
    FacilitatorRequest, SETTLE_PATH, SUPPORTED_PATH, StateExtra, Supported, VERIFY_PATH,
    VerifyResponse,
};
use serde::Serialize;

use super::challenge::refusal_response;
use super::idempotency;
use super::receipt::{FinalCharge, receipt};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::sale::checkout::{Checkout, Place};
use crate::http::sale::serve::count_answer;
use crate::metrics::{self, Outcome};
use crate::payment::{FacilitatorError, PaymentError};
use crate::receipts::{Charge, Draft};

pub(crate) fn routes(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route(VERIFY_PATH, post(verify))
        .route(SETTLE_PATH, post(settle))
        .route_layer(from_fn_with_state(app, count))
        .route(SUPPORTED_PATH, get(supported))
}

async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let counting = app
        .checkout
        .requests
        .begin(metrics::RequestKind::Facilitator);
    count_answer(counting, next.run(request).await)
}

async fn supported(State(app): State<Arc<App>>) -> Json<Supported> {
    let kind = app.checkout.payments.supported_kind();
    let extensions = vec![PAYMENT_IDENTIFIER.to_owned()];
    Json(Supported::one(
        kind,
        &app.checkout.issuer.settler(),
        extensions,
    ))
}

async fn verify(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let asked = Admitted::read(&app, request, Checkout::place).await?;
    let verified = match idempotency::from_extension(&asked.request.payment_payload) {
        Ok(id) => {
            let verified =
                app.checkout
                    .payments
                    .verify(&asked.request, id.as_ref(), asked.max_held);
            verified.await.map_err(FacilitatorRefusal::from)
        }
        Err(error) => Err(error.into()),
    };
    Ok(match verified {
        Ok(payer) => answer(
            "verified",
            StatusCode::OK,
            &VerifyResponse {
                is_valid: true,
                invalid_reason: None,
                invalid_message: None,
                payer: Some(payer.key.to_string()),
                extra: None,
            },
        ),
        Err(refusal) => answer(
            refusal.code,
            refusal.status,
            &VerifyResponse {
                is_valid: false,
                invalid_reason: Some(refusal.code.to_owned()),
                invalid_message: Some(refusal.message),
                payer: None,
                extra: refusal.state,
            },
        ),
    })
}

/// Accepts settlements also while the verifier shuts down, because the calling server has already served the request.
async fn settle(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let asked = Admitted::read(&app, request, Checkout::place_to_end).await?;
    Ok(match settled(&app.checkout, &asked.request).await {
        Ok(response) => answer("settled", StatusCode::OK, &response),
        Err(refusal) => {
            let (code, status) = (refusal.code, refusal.status);
            let response = refusal_response(&app.checkout.payments, code, refusal.message);
            answer(code, status, &response)
        }
    })
}

async fn settled(
    checkout: &Checkout,
    asked: &FacilitatorRequest,
) -> Result<SettleResponse, FacilitatorRefusal> {
    let id = idempotency::from_extension(&asked.payment_payload)?;
    let draft = checkout.issuer.draft(None).record();
    let settled = checkout.payments.settle(asked, id.as_ref(), draft).await?;
    let charge = Charge {
        request: None,
        charged: settled.charged,
        charged_total: settled.lane.charged,
    };
    let draft = settled.receipt.as_ref().map(Draft::from);
    let end = FinalCharge {
        charged: settled.charged,
        receipt: checkout.issuer.issue(&settled.payer, &charge, draft),
    };
    let network = checkout.issuer.network();
    let payer = &settled.payer.key;
    Ok(receipt(network, payer, &settled.lane, Some(end)))
}

/// A facilitator request that showed the right token.
struct Admitted {
    request: FacilitatorRequest,
    max_held: usize,
    _place: Place,
}

impl Admitted {
    async fn read(
        app: &App,
        request: Request<Body>,
        place: impl FnOnce(&Checkout) -> Result<Place, ApiError>,
    ) -> Result<Self, ApiError> {
        let facilitator = app.facilitator.as_ref();
        let facilitator = facilitator.ok_or_else(ApiError::route_not_sold)?;
        let (head, body) = request.into_parts();
        if !facilitator.admits(&head.headers) {
            return Err(ApiError::token_invalid());
        }
        let place = place(&app.checkout)?;
        let body = app.checkout.read_body(&head.headers, body, true).await?;
        let request = serde_json::from_slice(&body).map_err(|error| {
            let message = format!("the body is not a payment with its requirements: {error}");
            ApiError::invalid_request(message, None)
        })?;
        Ok(Self {
            request,
            max_held: facilitator.max_held,
            _place: place,
        })
    }
}

/// An answer in x402's format; `outcome` is its label in the metrics.
fn answer(outcome: &'static str, status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
    response.extensions_mut().insert(Outcome::Named(outcome));
    response
}

/// Why a payment is not verified or settled, as the facilitator's client sees it.
struct FacilitatorRefusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    state: Option<StateExtra>,
}

impl From<ApiError> for FacilitatorRefusal {
    fn from(error: ApiError) -> Self {
        let status = if error.status.is_server_error() {
            error.status
        } else {
            StatusCode::OK
        };
        Self {
            status,
            code: error.code,
            message: error.message,
            state: None,
        }
    }
}

impl From<FacilitatorError> for FacilitatorRefusal {
    fn from(error: FacilitatorError) -> Self {
        let code = match &error {
            FacilitatorError::Version => "invalid_x402_version",
            FacilitatorError::Requirements { field: "scheme" } => "unsupported_scheme",
            FacilitatorError::Requirements { field: "network" } => "invalid_network",
            FacilitatorError::Requirements { .. }
            | FacilitatorError::Timeout
            | FacilitatorError::NothingToPay => "invalid_payment_requirements",
            FacilitatorError::TooMany => "overloaded",
            FacilitatorError::NotHeld => "voucher_used",
            FacilitatorError::SettledBefore { .. } => "duplicate_settlement",
            FacilitatorError::AboveMaximum { .. } => "settlement_exceeds_amount",
            FacilitatorError::Refused(refused) => {
                let mut refusal = Self::from(ApiError::from(&refused.error));
                if matches!(refused.error, PaymentError::Malformed(_)) {
                    refusal.code = "invalid_payload";
                }
                refusal.state = Some(StateExtra {
                    channel_state: refused.channel_state.clone(),
                    voucher_state: refused.voucher_state.clone(),
                });
                return refusal;
            }
        };
        let status = match error {
            FacilitatorError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        Self {
            status,
            code,
            message: error.to_string(),
            state: None,
        }
    }
}
