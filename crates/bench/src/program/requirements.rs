//! The bounds that the measurements must keep, as promised by the design.

use super::report::{Batch, ProgramReport};

/// Compute units that an instruction gets if its transaction sets no limit.
const UNITS_WITHOUT_A_LIMIT: u64 = 200_000;

/// A bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// At least this value.
    AtLeast(u64),
    /// At most this value.
    AtMost(u64),
}

/// A figure with its bound.
#[derive(Debug, Clone, Copy)]
pub struct Requirement {
    /// What is measured, with its unit.
    pub what: &'static str,
    /// The measured value.
    pub measured: u64,
    /// The bound that the value must keep.
    pub bound: Bound,
}

impl Requirement {
    /// Whether the bound is kept.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.measured >= least,
            Bound::AtMost(most) => self.measured <= most,
        }
    }
}

/// All requirements, with the measured values of a report.
#[must_use]
pub fn of(report: &ProgramReport) -> Vec<Requirement> {
    let figures = report.figures();
    vec![
        at_least("claims in one transaction", figures.claims_per_tx, 12),
        at_least("channels in one transaction", figures.channels_per_tx, 10),
        at_least(
            "lanes of a statement in one transaction",
            figures.statement_lanes_per_tx,
            88,
        ),
        at_least(
            "claims, legacy transaction",
            figures.claims_per_tx_legacy,
            9,
        ),
        at_least(
            "channels, legacy transaction",
            figures.channels_per_tx_legacy,
            4,
        ),
        at_least(
            "lanes of a statement, legacy transaction",
            figures.statement_lanes_per_tx_legacy,
            70,
        ),
        at_most("CU per claim, 12 claims", figures.cu_per_claim_12, 14_500),
        at_most(
            "CU per lane, statement of 88 lanes",
            figures.cu_per_statement_lane_88,
            700,
        ),
        at_most(
            "ten-thousandths of CU that 1,000 lanes change",
            change_by_lanes(report),
            200,
        ),
        at_most(
            "CU of the dearest instruction",
            dearest_instruction(report),
            UNITS_WITHOUT_A_LIMIT,
        ),
        at_most(
            "lamports per lane, 12 claims",
            figures.lamports_per_lane,
            420,
        ),
        at_most(
            "lamports per lane, statement of 88 lanes",
            figures.lamports_per_statement_lane,
            60,
        ),
        at_most(
            "lamports of rent for one more lane",
            figures.rent_lamports_per_lane,
            500_000,
        ),
    ]
}

const fn at_least(what: &'static str, measured: u64, least: u64) -> Requirement {
    Requirement {
        what,
        measured,
        bound: Bound::AtLeast(least),
    }
}

const fn at_most(what: &'static str, measured: u64, most: u64) -> Requirement {
    Requirement {
        what,
        measured,
        bound: Bound::AtMost(most),
    }
}

fn dearest_instruction(report: &ProgramReport) -> u64 {
    let costs = report.instructions.iter();
    costs.map(|cost| cost.compute_units).max().unwrap_or(0)
}

/// The largest relative change in compute units of a settlement between a channel with few lanes and one with many, in
/// ten-thousandths, rounded up.
fn change_by_lanes(report: &ProgramReport) -> u64 {
    let change = |batch: &Batch| {
        let (few, many) = (batch.few.compute_units, batch.many.compute_units);
        (few.abs_diff(many) * 10_000).div_ceil(few)
    };
    let batches = report.claims.iter().chain(&report.statements);
    batches.map(change).max().unwrap_or(0)
}
