//! Routes on which the verifier itself answers, so that they cannot be sold.

use farthing_wire::pricing::Endpoint;
use farthing_wire::receipt::KEY_SET_PATH;
use farthing_wire::x402::facilitator::{SETTLE_PATH, SUPPORTED_PATH, VERIFY_PATH};

/// Path of the list of models.
pub(crate) const MODELS: &str = "/v1/models";
/// Path of the catalogue of everything that is sold.
pub(crate) const CATALOGUE: &str = "/.well-known/x402";
/// Path of the liveness check.
pub(crate) const HEALTH: &str = "/healthz";

/// Whether the verifier itself answers on a route.
pub(crate) fn is_reserved(method: &str, path: &str) -> bool {
    match method {
        "GET" => [MODELS, CATALOGUE, KEY_SET_PATH, HEALTH, SUPPORTED_PATH].contains(&path),
        "POST" => Endpoint::at(path).is_some() || [VERIFY_PATH, SETTLE_PATH].contains(&path),
        _ => false,
    }
}
