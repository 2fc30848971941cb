//! Figures that solana-foundation/payment-channels publishes about itself. They were not measured here but read in its
//! repository between August and November 2026, in docs/004, docs/006 and web/src/model.ts.

/// Base fee of settling one voucher, in lamports: for the transaction's signature, and for the voucher's signature in
/// the precompile.
pub const LAMPORTS_PER_VOUCHER: u64 = 10_000;
/// Compute units of the payment-channels program for settling one voucher. The precompile, which checks the voucher's
/// signature, is not metered.
pub const COMPUTE_UNITS_PER_VOUCHER: u64 = 574;
/// Number of channels that one transaction settles, each of one agent.
pub const CHANNELS_PER_TRANSACTION: u64 = 5;
/// Length of the transaction that settles [`CHANNELS_PER_TRANSACTION`] channels, in bytes.
pub const BYTES_OF_TRANSACTION: u64 = 1_140;
/// Number of channels that one transaction would settle if one key signed for all of them, which is planned but not
/// built.
pub const PLANNED_CHANNELS_PER_TRANSACTION: u64 = 59;
/// Rent of a channel, which has one agent and one payee, in lamports.
pub const RENT_PER_CHANNEL: u64 = 4_711_920;

/// Fee of a signature on Solana, of a transaction or in a precompile, in lamports.
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;

/// Base fee per voucher of a full transaction, in lamports. Computed here, not a published figure.
pub const LAMPORTS_PER_VOUCHER_OF_FIVE: u64 =
    (1 + CHANNELS_PER_TRANSACTION) * LAMPORTS_PER_SIGNATURE / CHANNELS_PER_TRANSACTION;
