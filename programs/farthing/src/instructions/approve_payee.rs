//! `approve_payee`: lets the manager open and fund channels to one payee.

use anchor_lang::prelude::*;
use farthing_protocol::layout::LAYOUT_VERSION;
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use farthing_protocol::seeds::APPROVAL_SEED;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, PayeeApproved};
use crate::state::{Approval, Escrow};

/// Arguments of `approve_payee`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct ApprovePayeeArgs {
    /// The wallet that may earn.
    pub payee: Pubkey,
    /// The longest grace that the manager may accept for it, in seconds.
    pub max_grace_seconds: u32,
}

/// Accounts of `approve_payee`.
#[derive(Accounts)]
#[instruction(args: ApprovePayeeArgs)]
pub struct ApprovePayee<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// The owner's escrow.
    #[account(mut, has_one = owner @ FarthingError::OwnerOnly)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The new approval. To change one, revoke it first.
    #[account(
        init,
        payer = rent_payer,
        space = Approval::LENGTH,
        seeds = [APPROVAL_SEED, escrow.key().as_ref(), args.payee.as_ref()],
        bump,
    )]
    pub approval: Box<Account<'info, Approval>>,
    /// Creates the approval.
    pub system_program: Program<'info, System>,
}

impl ApprovePayee<'_> {
    /// Requires a grace that a channel can have.
    ///
    /// # Errors
    /// [`FarthingError::ApprovedGraceOutOfRange`].
    pub fn validate(&self, args: &ApprovePayeeArgs) -> Result<()> {
        require!(
            (MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&args.max_grace_seconds),
            FarthingError::ApprovedGraceOutOfRange
        );
        Ok(())
    }

    /// Writes the approval.
    ///
    /// # Errors
    /// None.
    pub fn handler(ctx: Context<Self>, args: &ApprovePayeeArgs) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.approval.set_inner(Approval {
            version: LAYOUT_VERSION,
            bump: ctx.bumps.approval,
            escrow: accounts.escrow.key(),
            payee: args.payee,
            max_grace_seconds: args.max_grace_seconds,
            rent_payer: accounts.rent_payer.key(),
        });
        emit!(PayeeApproved {
            payee: args.payee,
            max_grace_seconds: args.max_grace_seconds,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
