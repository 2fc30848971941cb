//! `farthing program`: the on-chain program itself, through the upgradeable loader.
//!
//! Here is what a single transaction does, or none; [`deploy`] and [`buffer`] write the bytecode.

pub mod args;
pub mod buffer;
pub mod bytecode;
pub mod deploy;
mod extension;
pub mod funds;
mod present;
mod report;
mod run;

pub use run::run;
