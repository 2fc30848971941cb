//! `farthing program` as people type it, through the real upgradeable loader on a chain on this machine.
//!
//! The engine takes a fifth of a second for each write to an account as long as the bytecode, of which a
//! deployment has eight hundred. So buffers are filled by a cheat code but for some chunks, as an earlier
//! run would have left them; all else, from the buffer's creation to the call of the deployed program, is
//! done by transactions.

mod buffer;
mod first;
mod guards;
mod lossy;
mod migration;
mod upgrade;
mod world;
