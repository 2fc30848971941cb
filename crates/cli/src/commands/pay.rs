//! `farthing pay`: one paid call, its answer and its receipt; or a proxy that pays for whoever asks it.

mod answer;
pub mod args;
pub(super) mod connect;
mod listen;
mod report;
mod run;

pub use run::run;
