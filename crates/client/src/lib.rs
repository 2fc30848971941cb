//! Rust SDK of Farthing: pay for inference, and manage the escrows and channels that pay for it.
//!
//! * [`paying_client`] pays for HTTP requests through one [`payer`] lane: the main entry for agents.
//! * [`chain`] builds instructions, reads accounts and sends transactions: for owners and settlers.
//! * [`x402`] and [`pricing`] are the wire format and the price function that clients share with the
//!   verifier, so that both compute the same maximum for the same request.
//! * [`receipt`] signs and checks what a provider says it charged.
//! * [`idempotency`] is the key by which a client may ask again.
//! * [`amount`], [`keys`] and [`signature`] are the small change.
//!
//! What must not live here: anything that only a provider needs. The verifier depends on this
//! crate, never the other way round.

pub mod amount;
pub mod causes;
pub mod chain;
pub mod idempotency;
pub mod keys;
pub mod payer;
pub mod paying_client;
pub mod pricing;
pub mod receipt;
pub mod signature;
pub mod x402;

pub use farthing_protocol as protocol;
