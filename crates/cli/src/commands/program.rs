//! `farthing program`: deploys and manages the on-chain program through the upgradeable loader.
//!
//! The commands are in `run`, except for [`deploy`]; [`buffer`] writes the bytecode.

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
