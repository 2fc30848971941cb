//! `farthing store`: the verifier's ledger on disk, while no verifier runs.
//!
//! Stores are only looked at, so that a command typed in a hurry makes nothing worse; an import makes
//! a new one.

pub mod args;
mod report;
mod run;

pub use run::run;
