//! `farthing serve`: sells an upstream until it is told to stop, then drains and settles.

pub mod args;
mod run;

pub use run::run;
