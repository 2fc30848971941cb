//! Settlement: what was charged goes on-chain.
//!
//! [`planner`] decides what to claim and is pure; [`transaction`] turns a plan into a signed
//! transaction; [`submitter`] records it, sends it, and follows it until it is final or cannot land
//! any more. Claims are cumulative, so a duplicate is harmless: settlement is at-least-once.

pub mod figures;
pub mod planner;
pub mod report;
pub mod submitter;
pub mod transaction;

pub use report::{SettleError, SettlementReport};
pub use submitter::{Settler, SettlerHandle};
