//! What solana-foundation/payment-channels publishes about itself. Not measured here: read in its repository
//! between August and November 2026, in docs/004, docs/006 and web/src/model.ts.

/// Base fee of settling one voucher, in lamports: the signature of the transaction, and that of the voucher in
/// the precompile.
pub const LAMPORTS_PER_VOUCHER: u64 = 10_000;
/// Compute units of its program for settling one voucher. The precompile, which checks the voucher's
/// signature, is not metered.
pub const COMPUTE_UNITS_PER_VOUCHER: u64 = 574;
/// Channels in one transaction, each of one agent.
pub const CHANNELS_PER_TRANSACTION: u64 = 5;
/// That transaction's length.
pub const BYTES_OF_TRANSACTION: u64 = 1_140;
/// Channels in one transaction if one key signs for all of them, which is planned and not built.
pub const PLANNED_CHANNELS_PER_TRANSACTION: u64 = 59;
/// Rent of a channel, which has one agent and one payee, in lamports.
pub const RENT_PER_CHANNEL: u64 = 4_711_920;

/// What a signature costs on Solana, whether of a transaction or in a precompile, in lamports.
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;

/// Base fee per voucher of a full transaction, in lamports. Our arithmetic, not a published figure.
pub const LAMPORTS_PER_VOUCHER_OF_FIVE: u64 =
    (1 + CHANNELS_PER_TRANSACTION) * LAMPORTS_PER_SIGNATURE / CHANNELS_PER_TRANSACTION;
