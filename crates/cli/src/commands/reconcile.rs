//! `farthing reconcile`: compares a store that may be an old copy with the chain, while no verifier runs.
//!
//! The whole comparison is read first, and its changes are then written in one commit.

pub mod args;
mod report;
mod run;

pub use run::run;
