//! `farthing reconcile`: compares a store that may be an old copy with the chain, while no verifier runs.
//!
//! Everything is read before anything is written, and written as one commit.

pub mod args;
mod report;
mod run;

pub use run::run;
