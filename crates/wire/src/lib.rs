//! What Farthing's clients and providers say to each other over HTTP, and the signatures on it.
//!
//! * [`x402`] is the envelope and what the scheme `prepaid-escrow` puts into it.
//! * [`pricing`] is the price function that both sides compute the same maximum with.
//! * [`receipt`] signs and checks what a provider says it charged.
//! * [`idempotency`] is the key by which a client may retry.
//! * [`signature`] is the one predicate for signatures, [`amount`] is USDC for people, [`causes`] is errors for people.
//!
//! What must not live here: IO of any kind, the state of a payer or of a provider, and the chain.

pub mod amount;
pub mod causes;
pub mod idempotency;
pub mod pricing;
pub mod receipt;
pub mod signature;
pub mod x402;
