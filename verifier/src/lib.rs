//! The verifier: a gateway in front of an OpenAI-compatible upstream that sells each request for a
//! voucher, and a settler that takes the vouchers to the chain. A [`Seller`] is the same without upstream and server, for
//! an application that sells what it serves itself.
//!
//! One request walks through `http::routes` (what is asked for), `http::checkout` (headers, body), [`payments`] (payment),
//! [`durable_ledger`] (the pure [`ledger`] and the [`store`]'s writer), `http::proxy` (the upstream), `http::serve` and
//! `http::stream` (the answer) and back through [`durable_ledger`] (the charge). [`chain`] keeps what is known of channels fresh;
//! [`settlement`] claims what was charged.
//!
//! Architecture invariants: only `http` knows HTTP, only [`chain`] knows RPC, only [`store`] knows a
//! database; [`ledger`] and [`settlement::planner`] do no IO and read no clock.

pub mod chain;
pub mod config;
pub mod crash_point;
pub mod durable_ledger;
mod histogram;
mod http;
pub mod ledger;
mod metering;
mod metrics;
pub mod payment;
pub mod ports;
pub mod prices;
pub mod receipts;
pub mod reconcile;
pub mod record;
mod seller;
pub mod settlement;
pub mod store;
mod verifier;

pub use config::{Config, ConfigError, SellerConfig};
pub use farthing_protocol::BaseUnits;
pub use farthing_wire::pricing::{AnswerPrice, RoutePrice};
pub use http::sale::layer::{Paywall, PaywallLayer};
pub use http::sale::serve::Charged;
pub use seller::{Keys, Ports, Seller, StartError};
pub use settlement::{SettleError, SettlementReport};
pub use verifier::{Verifier, start, start_with};
