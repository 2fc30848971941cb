//! The HTTP side of x402: reading payments, asking for them with 402, and answering them in headers and bodies.

pub(crate) mod challenge;
pub(crate) mod facilitator;
pub(crate) mod facilitator_token;
pub(crate) mod idempotency;
pub(crate) mod lane_state;
pub(crate) mod payment_headers;
pub(crate) mod payment_required;
pub(crate) mod receipt;
