//! Why a lane cannot pay, and why a verifier's report or receipt is not trusted.

use farthing_protocol::{BaseUnits, LaneIndex};
use farthing_wire::amount::Usdc;
use farthing_wire::signature::SignerKeyError;
use solana_sdk::pubkey::Pubkey;

use super::MAX_USED_VALUES;

/// Why a lane cannot pay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayerError {
    /// The channel has no such lane.
    #[error("the channel has no lane {0}: check --lane")]
    NoSuchLane(LaneIndex),
    /// Another key signs for this lane.
    #[error(
        "lane {lane} belongs to key {expected}, not to {given}: check the lane and its key file"
    )]
    WrongKey {
        /// The lane.
        lane: LaneIndex,
        /// Its key.
        expected: Pubkey,
        /// The key that was given.
        given: Pubkey,
    },
    /// The lane's key is invalid, so that no verifier accepts its vouchers.
    #[error("the lane's key cannot sign vouchers: {0}")]
    UnusableKey(#[from] SignerKeyError),
    /// The cap does not cover the request.
    #[error(
        "lane {lane} may spend {} USDC more, and this request may cost {} USDC: ask for less, raise its cap or use another lane",
        Usdc(*left),
        Usdc(*maximum)
    )]
    CapReached {
        /// The lane.
        lane: LaneIndex,
        /// What the cap leaves.
        left: BaseUnits,
        /// What the request may cost.
        maximum: BaseUnits,
    },
    /// The ceiling would be further above what is known to be charged than the 32 bits of a claim can encode.
    #[error("requests of more than 4294 USDC are in flight on lane {0}: wait for some to end")]
    TooFarAhead(LaneIndex),
    /// Too many requests whose outcome is unknown.
    #[error(
        "more than {MAX_USED_VALUES} requests without a receipt on lane {0}: wait for some to end"
    )]
    TooManyUnresolved(LaneIndex),
}

/// Why a verifier's report of a lane's state is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResynchroniseError {
    /// The ceiling is not signed by this lane's key.
    #[error("the provider's state of the lane is not signed by the lane's key: do not trust it")]
    NotSigned,
    /// The report claims more charged or reserved than was signed.
    #[error("the provider claims more than the lane's key has signed: do not trust it")]
    AboveAuthorized,
    /// The report lists values as used that were never signed.
    #[error("the provider lists used vouchers that the lane's key has not signed: do not trust it")]
    UsedAboveAuthorized,
}

/// Why a receipt is disputed. The request's maximum then counts as spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The receipt charges more than the request could cost.
    #[error(
        "the provider charged {} USDC for a request of at most {} USDC",
        Usdc(*charged),
        Usdc(*maximum)
    )]
    AboveMaximum {
        /// What the receipt says.
        charged: BaseUnits,
        /// What the voucher was signed for.
        maximum: BaseUnits,
    },
    /// The receipt's total is above what was ever signed.
    #[error(
        "the provider's total of {} USDC exceeds what the lane has signed",
        Usdc(*charged_total)
    )]
    AboveAuthorized {
        /// What the receipt says.
        charged_total: BaseUnits,
    },
}
