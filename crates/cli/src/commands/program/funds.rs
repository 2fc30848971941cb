//! Computes what a deployment costs, before the first lamport is spent.

use farthing_chain::instructions::compute_unit_price;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::report::sol;
use crate::connection::Connection;
use crate::error::CliError;

/// Base fee for each signature, in lamports.
const SIGNATURE_FEE: u64 = 5_000;
/// Upper bound of the compute units that a transaction with four instructions of built-in programs requests.
const COMPUTE_UNITS: u128 = 20_000;
const MICRO_LAMPORTS: u128 = 1_000_000;

/// The lamports that the payer must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funds {
    /// Rent of accounts that do not exist yet, at the moment when the most is locked.
    pub rent: u64,
    /// Fees, assuming that every transaction is sent once.
    pub fees: u64,
}

impl Funds {
    /// The fees of this number of transactions with this number of signatures each, at a price in micro-lamports per
    /// compute unit.
    #[must_use]
    pub fn fees(transactions: usize, signatures: u64, compute_unit_price: u64) -> u64 {
        let priority = (u128::from(compute_unit_price) * COMPUTE_UNITS).div_ceil(MICRO_LAMPORTS);
        let each = u128::from(SIGNATURE_FEE * signatures) + priority;
        let transactions = u128::try_from(transactions).unwrap_or(u128::MAX);
        u64::try_from(each.saturating_mul(transactions)).unwrap_or(u64::MAX)
    }

    /// Checks that the payer has enough lamports, and returns its balance.
    ///
    /// # Errors
    /// [`CliError::Failed`] says how many lamports are missing.
    pub async fn require(self, connection: &Connection, payer: &Pubkey) -> Result<u64, CliError> {
        let confirmed = CommitmentConfig::confirmed();
        let owned = connection.chain.lamports(payer, confirmed).await?;
        // The network refuses transactions that leave the payer with less than the rent of an empty account.
        let reserve = connection.chain.rent(0).await?;
        let needed = self.rent.saturating_add(self.fees).saturating_add(reserve);
        if owned >= needed {
            return Ok(owned);
        }
        Err(CliError::failed(format!(
            "{payer} has {}, but {} are needed ({needed} lamports: {} of rent, {} of fees, {} that must stay in the \
            account): send it {}; nothing was written",
            sol(owned),
            sol(needed),
            sol(self.rent),
            sol(self.fees),
            sol(reserve),
            sol(needed - owned),
        )))
    }
}

/// Adds the compute unit price to instructions, unless it is zero.
pub(super) fn priced(price: u64, mut instructions: Vec<Instruction>) -> Vec<Instruction> {
    if price > 0 {
        instructions.insert(0, compute_unit_price(price));
    }
    instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_those_of_every_signature_and_of_the_price() {
        assert_eq!(Funds::fees(800, 2, 0), 8_000_000);
        assert_eq!(Funds::fees(1, 1, 1), 5_001);
        assert_eq!(Funds::fees(10, 1, 1_000_000), 10 * 25_000);
        assert_eq!(Funds::fees(usize::MAX, 2, u64::MAX), u64::MAX);
    }
}
