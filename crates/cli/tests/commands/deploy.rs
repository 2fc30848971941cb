//! Tests of the command `farthing program` with the real upgradeable loader on a local chain.
//!
//! The engine takes a fifth of a second for each write to an account as long as the bytecode, and a deployment has
//! eight hundred such writes. Therefore a cheat code fills the buffers except for some chunks, as an earlier run would
//! have left them. Everything else, from creating the buffer to calling the deployed program, is done by transactions.

mod buffer;
mod first;
mod guards;
mod lossy;
mod migration;
mod upgrade;
mod world;
