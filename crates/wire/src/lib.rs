//! The wire format between Farthing's clients and providers: payments, prices, receipts and the signatures on them.
//!
//! * [`x402`]: the x402 envelope and the payloads of the scheme `prepaid-escrow`.
//! * [`pricing`]: the price function by which both sides compute the same maximum.
//! * [`receipt`]: signing and verifying a provider's receipts for its charges.
//! * [`idempotency`]: the idempotency key by which a client may retry.
//! * [`signature`]: the predicate by which all signatures are verified.
//! * [`amount`] and [`causes`]: USDC amounts and error messages for people.
//!
//! Out of scope: IO of any kind, payer or provider state, and the chain.

pub mod amount;
pub mod causes;
pub mod idempotency;
pub mod pricing;
pub mod receipt;
pub mod signature;
pub mod x402;
