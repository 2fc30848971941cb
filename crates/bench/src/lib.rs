//! All that Farthing measures about itself, so that every figure that we publish can be reproduced with one
//! command.
//!
//! A measurement is a module with a command of its own; most write a page of `docs/`. [`text`] has what the
//! pages are made of, [`figures`] what is made of many measurements, [`payment`] what those who pay have in common; nothing
//! here decides what is measured but those modules.

pub mod cli;
pub mod crash;
pub mod figures;
pub mod gateway;
pub mod growth;
pub mod model;
pub mod mutants;
pub mod payment;
pub mod program;
pub mod text;
