//! Trials: what tries to prove Farthing wrong, for longer than a test may take.
//!
//! * [`crash`] kills the verifier under load and compares what clients were told with what is left.
//! * [`model`] compares the on-chain program with its reference model.
//! * [`mutants`] changes the program and asks whether its tests notice.

pub mod cli;
pub mod crash;
pub mod model;
pub mod mutants;
