//! Bounds that hold whatever is measured: what the design promises.

use super::report::{Batch, Report};

/// A bound that a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// As large as this, or larger.
    AtLeast(u64),
    /// As small as this, or smaller.
    AtMost(u64),
}

use Bound::{AtLeast, AtMost};

/// A figure with its bound.
#[derive(Debug, Clone, Copy)]
pub struct Requirement {
    /// What is measured, with its unit.
    pub what: &'static str,
    /// How much it is.
    pub measured: u64,
    /// How much it may be.
    pub bound: Bound,
}

impl Requirement {
    /// Whether the bound is kept.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        match self.bound {
            AtLeast(least) => self.measured >= least,
            AtMost(most) => self.measured <= most,
        }
    }
}

/// Everything that must hold.
#[must_use]
pub fn of(report: &Report) -> Vec<Requirement> {
    let figures = report.figures();
    let rows = [
        (
            "claims in one transaction",
            figures.claims_per_tx,
            AtLeast(12),
        ),
        (
            "channels in one transaction",
            figures.channels_per_tx,
            AtLeast(10),
        ),
        (
            "lanes of a statement in one transaction",
            figures.statement_lanes_per_tx,
            AtLeast(88),
        ),
        (
            "claims, legacy transaction",
            figures.claims_per_tx_legacy,
            AtLeast(9),
        ),
        (
            "channels, legacy transaction",
            figures.channels_per_tx_legacy,
            AtLeast(4),
        ),
        (
            "lanes of a statement, legacy transaction",
            figures.statement_lanes_per_tx_legacy,
            AtLeast(70),
        ),
        (
            "CU per claim, 12 claims",
            figures.cu_per_claim_12,
            AtMost(14_500),
        ),
        (
            "CU per lane, statement of 88 lanes",
            figures.cu_per_statement_lane_88,
            AtMost(700),
        ),
        (
            "ten-thousandths of CU that 1,000 lanes change",
            change_by_lanes(report),
            AtMost(200),
        ),
        (
            "CU of the dearest instruction",
            dearest_instruction(report),
            // What an instruction gets if its transaction does not set a limit.
            AtMost(200_000),
        ),
        (
            "lamports per lane, 12 claims",
            figures.lamports_per_lane,
            AtMost(420),
        ),
        (
            "lamports per lane, statement of 88 lanes",
            figures.lamports_per_statement_lane,
            AtMost(60),
        ),
        (
            "lamports of rent for one more lane",
            figures.rent_lamports_per_lane,
            AtMost(500_000),
        ),
    ];
    rows.map(|(what, measured, bound)| Requirement {
        what,
        measured,
        bound,
    })
    .into()
}

fn dearest_instruction(report: &Report) -> u64 {
    let costs = report.instructions.iter();
    costs.map(|cost| cost.compute_units).max().unwrap_or(0)
}

/// By which part of itself the price of a settlement changes if the channel has many lanes, in ten-thousandths,
/// rounded up; of all settlements the most.
fn change_by_lanes(report: &Report) -> u64 {
    let change = |batch: &Batch| {
        let (few, many) = (batch.few.compute_units, batch.many.compute_units);
        (few.abs_diff(many) * 10_000).div_ceil(few)
    };
    let batches = report.claims.iter().chain(&report.statements);
    batches.map(change).max().unwrap_or(0)
}
