//! The HTTP layer: routes, headers, status codes and bytes, and nothing else. [`crate::payment`] decides whether a
//! payment is accepted; [`crate::metering`] decides what an answer costs.
//!
//! * [`sale`]: handles one request from its arrival to its charge, for models and plain routes alike.
//! * [`x402`]: the headers and bodies that x402 defines, and the x402 facilitator API.
//! * The other modules: the router, the server, the upstream client, and read-only pages and endpoints.
//!
//! A route that is listed neither in [`routes`] nor in the configuration is answered with 404.

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
