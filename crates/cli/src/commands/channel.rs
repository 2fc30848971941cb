//! `farthing channel`: funds locked for one provider, with a lane per agent.

pub mod args;
mod authority;
mod grace;
mod lanes;
pub(crate) mod open;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use run::run;
