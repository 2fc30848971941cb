//! `farthing store`: the verifier's ledger on disk, while no verifier runs.
//!
//! No command changes an existing store, so a mistyped command cannot do damage. An import creates a new store.

pub mod args;
mod report;
mod run;

pub use run::run;
