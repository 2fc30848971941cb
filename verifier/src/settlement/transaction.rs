//! Builds the signed transaction of a planned settlement.

use farthing_chain::instructions::{Funds, Settle, settle};
use farthing_chain::{Claim, Token};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_sdk::message::Message;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::Signer;
use solana_sdk::transaction::Transaction;

use super::planner::PlannedSettlement;
use crate::ledger::Unsettled;
use crate::ports::RecentBlockhash;

/// Compute units of a settlement without claims: accounts, the transfer, and a reserve for a payee's account that must
/// be examined.
const BASE_COMPUTE_UNITS: u32 = 80_000;
/// Compute units of a claim. Verifying its signature costs 13,211; the rest is a reserve.
const COMPUTE_UNITS_PER_CLAIM: u32 = 16_000;

/// What is the same for every settlement.
#[derive(Debug, Clone, Copy)]
pub struct SettlementTerms {
    /// The program.
    pub program: Pubkey,
    /// The payee.
    pub payee: Pubkey,
    /// The mint, with its token program.
    pub token: Token,
    /// Price of a compute unit in millionths of a lamport.
    pub compute_unit_price_micro_lamports: u64,
}

/// Why no transaction can be built from a plan. Both errors are defects of the ledger or of the planner.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The ceiling exceeds the charge by more than a claim's 32 bits can express.
    #[error(
        "lane {0} authorized more than 4294967295 above its charge, which a claim cannot express"
    )]
    Undebited(u16),
    /// The settler's key cannot sign.
    #[error("the settler cannot sign: {0}")]
    Sign(#[from] solana_sdk::signer::SignerError),
}

/// Builds and signs the transaction. The settler pays the fee.
///
/// # Errors
/// [`BuildError`], neither of which can happen with what the ledger accepted.
pub fn build(
    terms: &SettlementTerms,
    plan: &PlannedSettlement,
    settler: &Keypair,
    blockhash: &RecentBlockhash,
) -> Result<Transaction, BuildError> {
    let claims = plan
        .claims
        .iter()
        .map(claim)
        .collect::<Result<Vec<_>, _>>()?;
    let claim_count = u32::try_from(claims.len()).unwrap_or(u32::MAX);
    let compute_units =
        BASE_COMPUTE_UNITS.saturating_add(COMPUTE_UNITS_PER_CLAIM.saturating_mul(claim_count));
    let instructions = [
        ComputeBudgetInstruction::set_compute_unit_limit(compute_units),
        ComputeBudgetInstruction::set_compute_unit_price(terms.compute_unit_price_micro_lamports),
        settle(
            &terms.program,
            &Settle {
                authority: settler.pubkey(),
                funds: Funds {
                    escrow: plan.facts.escrow,
                    channel: plan.facts.address,
                    payee: terms.payee,
                    token: terms.token,
                },
                claims,
            },
        ),
    ];
    let message =
        Message::new_with_blockhash(&instructions, Some(&settler.pubkey()), &blockhash.hash);
    let mut transaction = Transaction::new_unsigned(message);
    transaction.try_sign(&[settler], blockhash.hash)?;
    Ok(transaction)
}

fn claim(lane: &Unsettled) -> Result<Claim, BuildError> {
    let undebited = lane.authorized.saturating_sub(lane.charged).0;
    Ok(Claim {
        lane: lane.lane,
        authorized: lane.authorized,
        undebited: u32::try_from(undebited).map_err(|_| BuildError::Undebited(lane.lane.0))?,
        signature: Signature::from(lane.signature),
    })
}
