//! A reference model of the program, and random sequences that run on both.
//!
//! [`state`] is the model: escrows, channels and lanes in plain Rust, written from `docs/protocol.md` and not
//! from the program, with the first guard that refuses an action. [`action`] says what actors may try,
//! [`generate`] chooses among it, [`twin`] runs an action on the model and on the bytecode and compares
//! outcomes and states, and [`explore`] runs many sequences, shrinks one that fails, and counts.

pub mod action;
pub mod explore;
pub mod generate;
pub mod state;
pub mod twin;
