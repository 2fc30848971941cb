//! A lane: its counters, and which voucher values have bought something already.

use farthing_protocol::BaseUnits;
use farthing_protocol::debit::LanePosition;
use smallvec::SmallVec;

use crate::ports::Moment;
use crate::record::MAX_USED_VALUES;

/// So many used values most lanes keep at a time; more take memory of their own.
const VALUES_OF_MOST: usize = 2;

/// The books of one lane in one generation.
#[derive(Debug, Clone, Default)]
pub(super) struct LaneLedger {
    /// The highest ceiling signed so far, zero if none.
    pub(super) authorized: BaseUnits,
    /// The signature over it.
    pub(super) signature: Option<[u8; 64]>,
    /// What was charged, the on-chain debit of earlier generations included.
    pub(super) charged: BaseUnits,
    /// The sum of the maxima in flight.
    pub(super) reserved: BaseUnits,
    pub(super) used: UsedValues,
    /// What our own finalized settlements debited.
    pub(super) settled: BaseUnits,
    /// Since when something is owed.
    pub(super) unsettled_since: Option<Moment>,
}

impl LaneLedger {
    /// A lane that nobody has used here: a new generation starts at the on-chain counter.
    pub(super) fn starting_at(debited: BaseUnits) -> Self {
        Self {
            charged: debited,
            settled: debited,
            ..Self::default()
        }
    }

    pub(super) fn position(&self, cap: BaseUnits) -> LanePosition {
        LanePosition {
            cap,
            authorized: self.authorized,
            charged: self.charged,
            reserved: self.reserved,
        }
    }

    /// Whether a voucher of this value has bought something, or can no longer be told from one
    /// that has.
    pub(super) fn is_used(&self, value: BaseUnits) -> bool {
        value <= self.charged || self.used.contains(value)
    }
}

/// Voucher values that have bought something: a floor, at or below which all count as used, and
/// single values above it.
#[derive(Debug, Clone, Default)]
pub(super) struct UsedValues {
    pub(super) floor: BaseUnits,
    /// Ascending, as they come: an agent signs ever more.
    values: SmallVec<[BaseUnits; VALUES_OF_MOST]>,
}

/// Voucher values that have bought something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// This and every lower one.
    pub floor: BaseUnits,
    /// At most [`MAX_USED_VALUES`] above it, ascending.
    pub values: Vec<BaseUnits>,
}

impl UsedValues {
    pub(super) fn list(&self) -> Used {
        Used {
            floor: self.floor,
            values: self.values.to_vec(),
        }
    }

    pub(super) fn restored(floor: BaseUnits) -> Self {
        Self {
            floor,
            values: SmallVec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn contains(&self, value: BaseUnits) -> bool {
        value <= self.floor || self.values.binary_search(&value).is_ok()
    }

    /// Marks a value as used. Returns the values that need not be kept any longer because the floor
    /// rose over them.
    pub(super) fn insert(&mut self, value: BaseUnits) -> Vec<BaseUnits> {
        if let Err(place) = self.values.binary_search(&value) {
            self.values.insert(place, value);
        }
        let excess = self.values.len().saturating_sub(MAX_USED_VALUES);
        let closed: Vec<BaseUnits> = self.values.drain(..excess).collect();
        self.floor = closed
            .last()
            .map_or(self.floor, |last| self.floor.max(*last));
        closed
    }

    /// Drops the values at or below `charged`, which are refused for that reason, and returns them.
    pub(super) fn forget_through(&mut self, charged: BaseUnits) -> Vec<BaseUnits> {
        let refused = self.values.partition_point(|value| *value <= charged);
        self.values.drain(..refused).collect()
    }
}
