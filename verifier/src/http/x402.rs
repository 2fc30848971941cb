//! What x402 writes into headers and bodies: a payment, the request for one, and the answer to one.

pub(crate) mod challenge;
pub(crate) mod facilitator;
pub(crate) mod facilitator_token;
pub(crate) mod idempotency;
pub(crate) mod lane_state;
pub(crate) mod payment_headers;
pub(crate) mod payment_required;
pub(crate) mod receipt;
