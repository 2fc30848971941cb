//! `farthing pay`: makes one paid call and prints its answer and receipt, or runs a proxy that pays for the requests of
//! other clients.

mod answer;
pub mod args;
pub(super) mod connect;
mod listen;
mod report;
mod run;

pub use run::run;
