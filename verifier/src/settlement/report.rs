//! The result of settlement since the start, and why it failed.

use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// What was settled since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettlementReport {
    /// How many rounds sent at least one transaction.
    pub rounds: u32,
    /// Finalized transactions, in the order they became final.
    pub transactions: Vec<Signature>,
    /// The amount that the finalized transactions moved, in base units.
    pub base_units: BaseUnits,
}

/// Why not everything was settled. Nothing is lost: charges are durable, and the rest is settled after the next start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The settler has stopped, because the store failed or the verifier is shutting down.
    #[error("settlement has stopped: start the verifier again to settle the rest")]
    Stopped,
    /// A channel's claims failed repeatedly.
    #[error("settling channel {channel} failed repeatedly: {reason}")]
    Failed {
        /// The channel.
        channel: Pubkey,
        /// The last reason.
        reason: String,
    },
    /// The timeout for settling everything expired.
    #[error(
        "settlements are not final after {seconds} s: start the verifier again to settle the rest"
    )]
    TimedOut {
        /// The timeout in seconds.
        seconds: u64,
    },
}
