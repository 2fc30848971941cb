//! Runs the program's committed bytecode in an in-process SVM whose clock is set by the tests.
//!
//! [`Chain`] runs transactions and knows every key, so that a test says which accounts sign and no more.
//! [`World`] is a chain with an escrow on it, and builds the instructions from the types that the program's
//! macros generate; a test that wants another account than the right one changes that field.

pub mod calls;
pub mod chain;
pub mod density;
pub mod model;
pub mod stage;
pub mod tokens;
pub mod world;

pub use chain::Chain;
pub use tokens::Mint;
pub use world::{Channel, World, instruction};
