//! What an audit finds.

use std::fmt;

use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::record::{LaneKey, MAX_USED_VALUES, ReservationId};

/// Something that no ledger writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A record of an unknown version, or no record.
    #[error("the record with key {key}: {reason}")]
    Unreadable {
        /// Its key, base58.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A lane of a channel that is not in the store.
    #[error("{0} belongs to no known channel")]
    LaneWithoutChannel(Lane),
    /// More was charged than the agent signed for.
    #[error("{lane} was charged {charged}, and authorized {authorized}")]
    ChargedAboveAuthorized {
        /// The lane.
        lane: Lane,
        /// Charged.
        charged: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// More is charged and in flight than the agent signed for.
    #[error("{lane} was charged {charged}, has {reserved} in flight, and authorized {authorized}")]
    ReservedAboveAuthorized {
        /// The lane.
        lane: Lane,
        /// Charged.
        charged: BaseUnits,
        /// The maxima in flight; the largest number if they are more.
        reserved: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// A claim has no room for the difference.
    #[error("{0} authorized more than 4294967295 above its charge, which no claim can say")]
    CeilingTooFarAhead(Lane),
    /// What was charged cannot be proved.
    #[error("{0} authorized an amount without a signature")]
    Unsigned(Lane),
    /// More counts as used than was ever signed.
    #[error("{lane} counts values up to {floor} as used, and authorized {authorized}")]
    FloorAboveAuthorized {
        /// The lane.
        lane: Lane,
        /// The floor.
        floor: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// More was settled than charged.
    #[error("{lane} was settled up to {settled}, and charged {charged}")]
    SettledAboveCharged {
        /// The lane.
        lane: Lane,
        /// Settled.
        settled: BaseUnits,
        /// Charged.
        charged: BaseUnits,
    },
    /// More used values than a ledger keeps.
    #[error("{lane} has {count} used values, {MAX_USED_VALUES} are kept at most")]
    TooManyUsedValues {
        /// The lane.
        lane: Lane,
        /// How many.
        count: usize,
    },
    /// A used value of a lane that is not in the store.
    #[error("value {value} was used on {lane}, which is not known")]
    UsedWithoutLane {
        /// The lane.
        lane: Lane,
        /// The value.
        value: BaseUnits,
    },
    /// A used value that the floor or the charge refuses anyway, or that nobody signed for.
    #[error("value {value} was used on {lane}, and is not above {above} and at most {authorized}")]
    UsedOutOfRange {
        /// The lane.
        lane: Lane,
        /// The value.
        value: BaseUnits,
        /// The higher of floor and charge.
        above: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// A request in flight on a lane that is not in the store.
    #[error("request {} is in flight on {lane}, which is not known", id.0)]
    ReservationWithoutLane {
        /// The request.
        id: ReservationId,
        /// The lane.
        lane: Lane,
    },
    /// A request that has cost more than it may.
    #[error("request {} has cost {checkpoint}, and may cost {maximum}", id.0)]
    CheckpointAboveMaximum {
        /// The request.
        id: ReservationId,
        /// What it has cost.
        checkpoint: BaseUnits,
        /// The most that it may cost.
        maximum: BaseUnits,
    },
    /// A settlement of a channel that is not in the store.
    #[error("settlement {0} is of no known channel")]
    SettlementWithoutChannel(Signature),
    /// The recorded transaction is another one.
    #[error("settlement {0} has a transaction with another signature")]
    SettlementOfAnotherTransaction(Signature),
    /// A settlement that claims what was not charged.
    #[error("settlement {settlement} claims {debit_to} of {lane}, which was charged {charged}")]
    ClaimedAboveCharged {
        /// The settlement's signature.
        settlement: Signature,
        /// The lane.
        lane: Lane,
        /// What it claims.
        debit_to: BaseUnits,
        /// What was charged; nothing if the lane is not known.
        charged: BaseUnits,
    },
    /// The outcome of a request that says something else than its lane.
    #[error(
        "request {} was charged {outcome}, to a total of {total}, on {lane}, which was charged {charged}", id.0
    )]
    OutcomeNotCharged {
        /// The request.
        id: ReservationId,
        /// The lane.
        lane: Lane,
        /// What the request was charged.
        outcome: BaseUnits,
        /// What the lane was charged then.
        total: BaseUnits,
        /// What the lane was charged since; the same if it is not known.
        charged: BaseUnits,
    },
    /// Two requests with the same key, of which one was charged in vain.
    #[error("request {} has the key of another request", id.0)]
    KeyTwice {
        /// The later one.
        id: ReservationId,
    },
}

/// A lane's name for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(pub LaneKey);

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LaneKey {
            domain,
            lane,
            generation,
        } = self.0;
        let domain = Pubkey::new_from_array(domain.0);
        write!(f, "lane {lane}, generation {generation} of domain {domain}")
    }
}
