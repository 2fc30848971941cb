//! `GET /x402/channels/{channel}/lanes/{lane}?generation=…&at=…`: the state of a lane, for the holder of the lane's
//! key.
//!
//! The signature is sent in a header, because URLs end up in logs: anybody who reads a logged URL within the minute for
//! which its signature is valid could repeat the query.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use farthing_protocol::{Generation, LaneIndex};
use farthing_wire::x402::STATE_SIGNATURE;

use crate::http::error::ApiError;
use crate::http::sale::checkout::Checkout;
use crate::payment::LaneStateRequest;

/// Path of the route.
pub(crate) const LANE_STATE: &str = "/x402/channels/{channel}/lanes/{lane}";

pub(crate) async fn lane_state(
    State(checkout): State<Arc<Checkout>>,
    Path((channel, lane)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let in_query = |name| query.get(name).map(String::as_str);
    let mut signatures = headers.get_all(STATE_SIGNATURE).iter();
    let signature = match (signatures.next(), signatures.next()) {
        (Some(signature), None) => signature.to_str().ok(),
        _ => None,
    };
    let question = LaneStateRequest {
        channel: parsed("channel", Some(&channel))?,
        lane: LaneIndex(parsed("lane", Some(&lane))?),
        generation: Generation(parsed("generation", in_query("generation"))?),
        unix_seconds: parsed("at", in_query("at"))?,
        signature: parsed(STATE_SIGNATURE, signature)?,
    };
    let now = checkout.clock.unix_seconds();
    let state = checkout.payments.lane_state(&question, now).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(state)).into_response())
}

fn parsed<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<T, ApiError> {
    let reason = match text.map(str::parse) {
        Some(Ok(value)) => return Ok(value),
        Some(Err(error)) => error.to_string(),
        None => "give it exactly once".to_owned(),
    };
    let message = format!("\"{name}\" is invalid: {reason}");
    Err(ApiError {
        param: Some(name.to_owned()),
        ..ApiError::new(StatusCode::BAD_REQUEST, "state_query_malformed", message)
    })
}
