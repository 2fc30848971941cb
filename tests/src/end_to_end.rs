//! What the end-to-end tests share: programs that are not ours, an economy on a local chain, and raw
//! requests as somebody without our client sends them.

pub mod aimock;
pub mod example_server;
pub mod peers;
pub mod raw;
pub mod server;
pub mod world;
