//! The verifier: a gateway in front of an OpenAI-compatible upstream that sells each request for a
//! voucher, and a settler that takes the vouchers to the chain.
//!
//! One request walks through `http::routes` (headers, body), [`gateway`] (price, payment), [`books`]
//! (the pure [`ledger`] and the [`store`]'s writer), `http::proxy` and `http::stream` (the upstream)
//! and back through [`books`] (the charge). [`chain`] keeps what is known of channels fresh;
//! [`settlement`] claims what was charged.
//!
//! Architecture invariants: only `http` knows HTTP, only [`chain`] knows RPC, only [`store`] knows a
//! database; [`ledger`] and [`settlement::planner`] do no IO and read no clock.

pub mod books;
pub mod chain;
pub mod config;
pub mod crash_point;
pub mod gateway;
mod http;
pub mod ledger;
pub mod ports;
pub mod prices;
pub mod receipts;
pub mod reconcile;
pub mod settlement;
pub mod store;
mod verifier;

pub use config::{Config, ConfigError};
pub use settlement::{SettleError, SettlementReport};
pub use verifier::{Keys, Ports, StartError, Verifier, start, start_with};
