//! Rust SDK of Farthing: pay for inference.
//!
//! * [`paying_client`] pays for HTTP requests through one [`payer`] lane: the main entry for agents.
//! * [`wire`] is the wire format between clients and providers: the price function by which both compute the same
//!   maximum, x402 envelopes, receipts and idempotency keys.
//! * `chain`, behind the feature of that name, reads lanes from a cluster and builds the instructions that owners sign.
//!   Without it this crate needs no RPC client: give [`payer::LanePayer::new`] a lane's identity instead.
//!
//! Out of scope: anything that only a provider needs.

pub mod payer;
pub mod paying_client;

#[cfg(feature = "chain")]
pub use farthing_chain as chain;
pub use farthing_protocol as protocol;
pub use farthing_wire as wire;
