//! All that Farthing measures about itself, so that every figure that we publish can be reproduced with one
//! command. What tries to prove it wrong instead is `farthing-trials`.
//!
//! A measurement is a module with a command of its own; most write a page of `docs/`. [`figures`] has what is made of many
//! measurements; nothing here decides what is measured but those modules.

pub mod bodies;
pub mod cli;
pub mod figures;
pub mod gateway;
pub mod growth;
pub mod program;
