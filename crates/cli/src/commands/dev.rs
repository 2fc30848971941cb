//! `farthing dev`: a whole economy on this machine, until it reconciles or, with `--keep`, until it is
//! told to stop.

pub mod args;
mod run;

pub use run::run;
