//! Helpers of the end-to-end tests: third-party programs, an economy on a local chain, and raw requests without our
//! client.

pub mod aimock;
pub mod example_server;
pub mod llama;
pub mod peers;
pub mod raw;
pub mod server;
pub mod world;
