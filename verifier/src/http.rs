//! HTTP, and nothing but: routes, headers, status codes, bytes. Whether a payment is accepted is [`crate::payment`]'s to
//! say, what an answer costs [`crate::metering`]'s.
//!
//! * [`sale`]: one request from its arrival to its bill, whatever is sold.
//! * [`x402`]: what x402 writes into headers and bodies, and its facilitator.
//! * Beside them the router, the server, the upstream, and what only looks.
//!
//! A route that is neither listed in [`routes`] nor in the configuration is not sold: 404.

pub(crate) mod admin;
pub(crate) mod app;
pub(crate) mod catalogue;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod page;
pub(crate) mod routes;
pub(crate) mod sale;
pub(crate) mod server;
pub(crate) mod upstream;
pub(crate) mod x402;
