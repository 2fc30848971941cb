//! Trials: searches for defects in Farthing that take longer than a test may.
//!
//! * [`crash`] kills the verifier under load and compares what clients were told with the store and the chain.
//! * [`model`] compares the on-chain program with its reference model.
//! * [`mutants`] mutates the on-chain program and checks whether its tests notice.

pub mod cli;
pub mod crash;
pub mod model;
pub mod mutants;
