//! The verifier: a gateway in front of an OpenAI-compatible upstream that sells each request for a
//! voucher, and a settler that submits the vouchers to the chain. A [`Seller`] does the same without an upstream and
//! without a server, for an application that sells its own handlers.
//!
//! One request passes through `http::routes` (which route it is for), `http::sale::checkout` (headers, body),
//! [`payment`] (whether the payment is accepted), [`durable_ledger`] (the pure [`ledger`] and the [`store`]'s writer),
//! `http::upstream` (the upstream), `http::sale::serve` and `http::sale::stream` (the answer), and back through
//! [`durable_ledger`] (the charge). [`chain`] keeps the verifier's view of channels fresh; [`settlement`] claims
//! charges on-chain.
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
#[cfg(feature = "conformance")]
pub use metering::rehearsal;
pub use seller::{Keys, Ports, Seller, StartError};
pub use settlement::{SettleError, SettlementReport};
pub use verifier::{Verifier, start, start_with};
