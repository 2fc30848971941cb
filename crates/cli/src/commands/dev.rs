//! `farthing dev`: runs a complete demo economy on this machine and ends when it reconciles or, with `--keep`, when it
//! is stopped by a signal.

pub mod args;
mod run;

pub use run::run;
