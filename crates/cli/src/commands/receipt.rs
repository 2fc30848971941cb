//! `farthing receipt verify`: checks who signed a receipt and whether it is for a given request, and prints its claims.

pub mod args;
mod report;
mod run;
mod source;

pub use run::run;
