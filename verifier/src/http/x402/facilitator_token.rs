//! Access to the facilitator by a bearer token.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::FacilitatorConfig;

/// The facilitator's token, and the maximum number of payments that are held at the same time.
pub(crate) struct FacilitatorToken {
    /// SHA-256 of the token, so that the comparison takes the same time for tokens of any length.
    token: [u8; 32],
    pub(super) max_held: usize,
}

impl fmt::Debug for FacilitatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FacilitatorToken")
            .field("max_held", &self.max_held)
            .finish_non_exhaustive()
    }
}

impl FacilitatorToken {
    pub(crate) fn new(config: &FacilitatorConfig) -> Self {
        Self {
            token: Sha256::digest(config.bearer_token.expose_secret()).into(),
            max_held: config.max_held_payments,
        }
    }

    /// Whether a request's `Authorization` header has the token.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let shown: [u8; 32] = Sha256::digest(token).into();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(shown.ct_eq(&self.token))
    }
}
