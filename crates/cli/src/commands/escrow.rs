//! `farthing escrow`: manages escrows, the prepaid funds of an owner.

pub mod args;
mod report;
mod run;

pub use run::run;
