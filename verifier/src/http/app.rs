//! The state that all routes of the gateway share.

use std::sync::Arc;

use super::catalogue::UpstreamModels;
use super::sale::checkout::Checkout;
use super::upstream::Upstreams;
use super::x402::facilitator_token::FacilitatorToken;

/// The parts of the gateway that its routes share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) checkout: Arc<Checkout>,
    pub(crate) upstreams: Upstreams,
    pub(crate) upstream_models: UpstreamModels,
    pub(crate) max_header_bytes: usize,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) facilitator: Option<FacilitatorToken>,
}
