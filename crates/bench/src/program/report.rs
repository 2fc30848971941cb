//! The measurements of the program.

use farthing_protocol::limits::MAX_LANES;
use farthing_tests::program::density::Largest;
use serde::Serialize;

use super::instructions::InstructionCost;

/// Numbers of claims of the measured batches.
pub const CLAIMS: [usize; 4] = [1, 4, 8, 12];
/// Numbers of lanes of the measured statements.
pub const STATEMENT_LANES: [usize; 4] = [1, 16, 64, 88];
/// Number of lanes of a small channel, unless more are settled.
pub const FEW_LANES: usize = 10;
/// Number of lanes of a large channel.
pub const MANY_LANES: usize = 1_000;
/// Numbers of lanes of the channels that are settled and closed. The last one is the maximum.
pub const SIZES: [usize; 3] = [FEW_LANES, MANY_LANES, MAX_LANES];

/// The cost of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Serialised length, in bytes.
    pub bytes: usize,
    /// Compute units of the whole transaction.
    pub compute_units: u64,
    /// Base fee, in lamports.
    pub lamports: u64,
    /// Length of the logs, of which the runtime keeps 10,000 bytes.
    pub log_bytes: usize,
}

/// The largest transaction of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Densest {
    /// How much it settles, and the size of the next larger transaction, which does not fit.
    pub largest: Largest,
    /// The cost of the transaction.
    pub cost: Cost,
}

/// The largest transactions of one format.
#[derive(Debug, Clone, Copy)]
pub struct Densities {
    /// Claims on one channel.
    pub claims: Densest,
    /// Channels of different escrows with one claim each.
    pub channels: Densest,
    /// Lanes of one channel by one statement.
    pub statement: Densest,
}

/// The cost of settling a number of lanes of one channel, in a version 0 transaction with a lookup table.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Number of lanes that are settled.
    pub lanes: usize,
    /// The cost in a channel of [`FEW_LANES`], or of as many lanes as are settled if these are more.
    pub few: Cost,
    /// The cost in a channel of [`MANY_LANES`].
    pub many: Cost,
}

impl Batch {
    /// Compute units of the whole transaction for each lane, rounded up.
    #[must_use]
    pub const fn compute_units_per_lane(&self) -> u64 {
        self.few.compute_units.div_ceil(self.lanes as u64)
    }

    /// Base fee for each lane, in lamports, rounded up.
    #[must_use]
    pub const fn lamports_per_lane(&self) -> u64 {
        self.few.lamports.div_ceil(self.lanes as u64)
    }
}

/// The cost of settling a lane of a channel of some size, and of closing the channel.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Number of lanes of the channel.
    pub lanes: usize,
    /// Length of the channel account.
    pub account_bytes: usize,
    /// The cost of one claim, on the last lane.
    pub claim: Cost,
    /// The cost of a statement of the last lane.
    pub statement: Cost,
    /// The cost of closing the channel, by the payee.
    pub close: Cost,
}

/// Rent of accounts, which is locked while they exist, in lamports.
#[derive(Debug, Clone, Copy)]
pub struct Rent {
    /// An escrow.
    pub escrow: u64,
    /// The vault of an escrow.
    pub vault: u64,
    /// A channel of one lane.
    pub channel: u64,
    /// Each further lane.
    pub lane: u64,
}

impl Rent {
    /// Rent that a swarm locks with one provider: of an escrow, its vault, a channel and a lane for each agent.
    #[must_use]
    pub const fn of_swarm(&self, agents: u64) -> u64 {
        self.escrow + self.vault + self.channel + (agents - 1) * self.lane
    }
}

/// All measurements of the program.
#[derive(Debug, Clone)]
pub struct ProgramReport {
    /// The largest transactions with a lookup table.
    pub lookup_table: Densities,
    /// The largest transactions without a lookup table.
    pub legacy: Densities,
    /// Settling by vouchers: [`CLAIMS`].
    pub claims: [Batch; 4],
    /// Settling by a statement: [`STATEMENT_LANES`].
    pub statements: [Batch; 4],
    /// Channels of different [`SIZES`].
    pub sizes: [Size; 3],
    /// Every instruction, by its number.
    pub instructions: Vec<InstructionCost>,
    /// Rent.
    pub rent: Rent,
}

/// The main figures. Numbers per lane are rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProgramFigures {
    /// Claims on one channel in one transaction with a lookup table.
    pub claims_per_tx: u64,
    /// Channels with one claim each in one transaction with a lookup table.
    pub channels_per_tx: u64,
    /// Lanes of one statement in one transaction with a lookup table.
    pub statement_lanes_per_tx: u64,
    /// Claims without a lookup table.
    pub claims_per_tx_legacy: u64,
    /// Channels without a lookup table.
    pub channels_per_tx_legacy: u64,
    /// Lanes of a statement without a lookup table.
    pub statement_lanes_per_tx_legacy: u64,
    /// Compute units for each of 12 claims, of the whole transaction.
    pub cu_per_claim_12: u64,
    /// Compute units for each of 88 lanes of a statement, of the whole transaction.
    pub cu_per_statement_lane_88: u64,
    /// Compute units of a transaction with one claim on a channel of 10 lanes.
    pub cu_settle_1_of_10_lanes: u64,
    /// Compute units of a transaction with one claim on a channel of 1,000 lanes.
    pub cu_settle_1_of_1000_lanes: u64,
    /// Base fee for each of 12 lanes, settled by vouchers.
    pub lamports_per_lane: u64,
    /// Base fee for each of 88 lanes, settled by a statement.
    pub lamports_per_statement_lane: u64,
    /// Rent of one more lane.
    pub rent_lamports_per_lane: u64,
}

impl ProgramReport {
    /// The main figures.
    #[must_use]
    pub const fn figures(&self) -> ProgramFigures {
        let [.., twelve_claims] = &self.claims;
        let [.., statement] = &self.statements;
        let [few, many, _] = &self.sizes;
        ProgramFigures {
            claims_per_tx: self.lookup_table.claims.largest.count as u64,
            channels_per_tx: self.lookup_table.channels.largest.count as u64,
            statement_lanes_per_tx: self.lookup_table.statement.largest.count as u64,
            claims_per_tx_legacy: self.legacy.claims.largest.count as u64,
            channels_per_tx_legacy: self.legacy.channels.largest.count as u64,
            statement_lanes_per_tx_legacy: self.legacy.statement.largest.count as u64,
            cu_per_claim_12: twelve_claims.compute_units_per_lane(),
            cu_per_statement_lane_88: statement.compute_units_per_lane(),
            cu_settle_1_of_10_lanes: few.claim.compute_units,
            cu_settle_1_of_1000_lanes: many.claim.compute_units,
            lamports_per_lane: twelve_claims.lamports_per_lane(),
            lamports_per_statement_lane: statement.lamports_per_lane(),
            rent_lamports_per_lane: self.rent.lane,
        }
    }
}
