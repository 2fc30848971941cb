//! A lane: its counters, and which of its voucher values were used.

use farthing_protocol::BaseUnits;
use farthing_protocol::debit::LanePosition;
use smallvec::SmallVec;

use crate::ports::Moment;
use crate::record::MAX_USED_VALUES;

/// How many used values most lanes keep at a time. They are stored inline; more are stored on the heap.
const VALUES_OF_MOST: usize = 2;

/// The ledger of one lane in one generation.
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
    /// The on-chain counter up to which this verifier's own finalized settlements debited.
    pub(super) settled: BaseUnits,
    /// Since when the lane has unsettled charges.
    pub(super) unsettled_since: Option<Moment>,
}

impl LaneLedger {
    /// A lane that was not used here in this generation: it starts at the on-chain counter.
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

    /// Whether a voucher of this value was used, or counts as used because the charge or the floor has passed it.
    pub(super) fn is_used(&self, value: BaseUnits) -> bool {
        value <= self.charged || self.used.contains(value)
    }
}

/// Used voucher values: a floor, at or below which every value counts as used, and single values above it.
#[derive(Debug, Clone, Default)]
pub(super) struct UsedValues {
    pub(super) floor: BaseUnits,
    /// Ascending, which is also the order in which they arrive, because an agent signs ever higher values.
    values: SmallVec<[BaseUnits; VALUES_OF_MOST]>,
}

/// The used voucher values of a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// This value and every lower one count as used.
    pub floor: BaseUnits,
    /// Used values above the floor, at most [`MAX_USED_VALUES`], ascending.
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

    /// Marks a value as used. Returns the values that need not be kept any longer, because the floor rose to or above
    /// them.
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

    /// Drops the values at or below `charged`, which are refused anyway, and returns them.
    pub(super) fn forget_through(&mut self, charged: BaseUnits) -> Vec<BaseUnits> {
        let refused = self.values.partition_point(|value| *value <= charged);
        self.values.drain(..refused).collect()
    }
}
