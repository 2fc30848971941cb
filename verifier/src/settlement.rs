//! Settlement: claims charged amounts on-chain.
//!
//! [`planner`] decides what to claim and is pure; [`transaction`] turns a plan into a signed transaction; [`submitter`]
//! records it, sends it, and follows it until it is final or can no longer land. Settlement is at-least-once: claims
//! are cumulative, so a duplicate is harmless.

pub mod figures;
pub mod planner;
pub mod report;
pub mod submitter;
pub mod transaction;

pub use report::{SettleError, SettlementReport};
pub use submitter::{Settler, SettlerHandle};
