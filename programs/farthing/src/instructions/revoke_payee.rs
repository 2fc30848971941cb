//! `revoke_payee`: takes an approval back. Channels that are open stay open.

use anchor_lang::prelude::*;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, PayeeRevoked};
use crate::state::{Approval, Escrow};

/// Accounts of `revoke_payee`.
#[derive(Accounts)]
pub struct RevokePayee<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Its escrow. Approvals outlive an escrow that is closed: creating it again makes them revocable.
    #[account(mut, has_one = owner @ FarthingError::OwnerOnly)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The approval that ends.
    #[account(
        mut,
        close = rent_payer,
        has_one = escrow @ FarthingError::WrongEscrow,
        has_one = rent_payer @ FarthingError::WrongRentPayer,
    )]
    pub approval: Box<Account<'info, Approval>>,
    /// CHECK: only receives lamports; `approval` names it.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl RevokePayee<'_> {
    /// The approval closes with the instruction.
    ///
    /// # Errors
    /// None.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        emit!(PayeeRevoked {
            payee: accounts.approval.payee,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
