//! The findings of an audit.

use std::fmt;

use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::record::{LaneKey, MAX_USED_VALUES, ReservationId};

/// An inconsistency that no ledger writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A record of an unknown version, or bytes that are not a record.
    #[error("the record with key {key}: {reason}")]
    Unreadable {
        /// Its key, base58.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A lane of a channel that is not in the store.
    #[error("{0} belongs to no channel in the store")]
    LaneWithoutChannel(AuditedLane),
    /// More was charged than the agent signed for.
    #[error("{lane} was charged {charged}, but authorized only {authorized}")]
    ChargedAboveAuthorized {
        /// The lane.
        lane: AuditedLane,
        /// Charged.
        charged: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// More is charged and in flight than the agent signed for.
    #[error(
        "{lane} was charged {charged}, has {reserved} reserved, but authorized only {authorized}"
    )]
    ReservedAboveAuthorized {
        /// The lane.
        lane: AuditedLane,
        /// Charged.
        charged: BaseUnits,
        /// The sum of the maxima in flight, at most `u64::MAX`.
        reserved: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// The difference between authorized and charged exceeds the 32 bits that a claim has for it.
    #[error("{0} authorized more than 4294967295 above its charge, which a claim cannot express")]
    CeilingTooFarAhead(AuditedLane),
    /// An amount is authorized without a signature, so its charges cannot be proved.
    #[error("{0} has an authorized amount without a voucher's signature")]
    Unsigned(AuditedLane),
    /// Values above the highest signed ceiling count as used.
    #[error("{lane} counts values up to {floor} as used, but authorized only {authorized}")]
    FloorAboveAuthorized {
        /// The lane.
        lane: AuditedLane,
        /// The floor.
        floor: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// More was settled than charged.
    #[error("{lane} was settled up to {settled}, but charged only {charged}")]
    SettledAboveCharged {
        /// The lane.
        lane: AuditedLane,
        /// Settled.
        settled: BaseUnits,
        /// Charged.
        charged: BaseUnits,
    },
    /// More used values than a ledger keeps.
    #[error("{lane} has {count} used values, more than the maximum of {MAX_USED_VALUES}")]
    TooManyUsedValues {
        /// The lane.
        lane: AuditedLane,
        /// How many.
        count: usize,
    },
    /// A used value of a lane that is not in the store.
    #[error("value {value} was used on {lane}, which is not in the store")]
    UsedWithoutLane {
        /// The lane.
        lane: AuditedLane,
        /// The value.
        value: BaseUnits,
    },
    /// A used value that is not above both floor and charge, or that exceeds what was authorized.
    #[error("value {value} was used on {lane}, but must be above {above} and at most {authorized}")]
    UsedOutOfRange {
        /// The lane.
        lane: AuditedLane,
        /// The value.
        value: BaseUnits,
        /// The higher of floor and charge.
        above: BaseUnits,
        /// Authorized.
        authorized: BaseUnits,
    },
    /// A request in flight on a lane that is not in the store.
    #[error("request {} is in flight on {lane}, which is not in the store", id.0)]
    ReservationWithoutLane {
        /// The request.
        id: ReservationId,
        /// The lane.
        lane: AuditedLane,
    },
    /// A request in flight whose checkpoint exceeds its maximum.
    #[error("request {} has a checkpoint of {checkpoint}, above its maximum of {maximum}", id.0)]
    CheckpointAboveMaximum {
        /// The request.
        id: ReservationId,
        /// What the request has cost so far.
        checkpoint: BaseUnits,
        /// The most that it may cost.
        maximum: BaseUnits,
    },
    /// A settlement of a channel that is not in the store.
    #[error("settlement {0} belongs to no channel in the store")]
    SettlementWithoutChannel(Signature),
    /// The recorded transaction does not have the settlement's signature.
    #[error("settlement {0} is recorded with a transaction that has another signature")]
    SettlementOfAnotherTransaction(Signature),
    /// A settlement that claims more than was charged.
    #[error(
        "settlement {settlement} claims {debit_to} of {lane}, which was charged only {charged}"
    )]
    ClaimedAboveCharged {
        /// The settlement's signature.
        settlement: Signature,
        /// The lane.
        lane: AuditedLane,
        /// What it claims.
        debit_to: BaseUnits,
        /// What was charged; zero if the lane is not in the store.
        charged: BaseUnits,
    },
    /// An outcome that does not match the charge of its lane.
    #[error(
        "the outcome of request {} (charged {outcome}, total {total}) does not match {lane}, charged {charged}",
        id.0
    )]
    OutcomeNotCharged {
        /// The request.
        id: ReservationId,
        /// The lane.
        lane: AuditedLane,
        /// What the request was charged.
        outcome: BaseUnits,
        /// The lane's total charge that the outcome recorded.
        total: BaseUnits,
        /// The lane's total charge now; the same as `total` if the lane is not in the store.
        charged: BaseUnits,
    },
    /// Two requests with the same idempotency key, one of which should not have been charged.
    #[error("request {} has the same idempotency key as another request", id.0)]
    KeyTwice {
        /// The later one.
        id: ReservationId,
    },
}

/// A lane, displayed in readable form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditedLane(pub LaneKey);

impl fmt::Display for AuditedLane {
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
