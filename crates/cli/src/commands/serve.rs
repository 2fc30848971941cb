//! `farthing serve`: sells an upstream until it is stopped by a signal, then drains and settles.

pub mod args;
mod run;

pub use run::run;
