//! `farthing receipt verify`: who signed a receipt, what it says, and whether it is for a given request.

pub mod args;
mod report;
mod run;
mod source;

pub use run::run;
