//! HTTP, and nothing but: routes, headers, status codes, bytes. The decisions are the gateway's.
//!
//! A route that is neither listed in [`routes`] nor in the configuration is not sold: 404.

pub(crate) mod bill;
pub(crate) mod catalogue;
pub(crate) mod challenge;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod facilitator;
pub(crate) mod idempotency;
pub(crate) mod lane_state;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod paywall;
pub(crate) mod proxy;
pub(crate) mod replay;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod stream;
pub(crate) mod till;

pub(crate) use routes::{App, about_payments, router};
