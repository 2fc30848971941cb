//! Rust SDK of Farthing: pay for inference.
//!
//! * [`paying_client`] pays for HTTP requests through one [`payer`] lane: the main entry for agents.
//! * [`wire`] is what clients and providers say to each other: the price function that both compute the same maximum
//!   with, envelopes, receipts and keys of requests.
//! * `chain`, behind the feature of that name, reads lanes from a cluster and builds what owners sign. Without it
//!   this crate needs no RPC client: give [`payer::LanePayer::new`] a lane's identity instead.
//!
//! What must not live here: anything that only a provider needs.

pub mod payer;
pub mod paying_client;

#[cfg(feature = "chain")]
pub use farthing_chain as chain;
pub use farthing_protocol as protocol;
pub use farthing_wire as wire;
