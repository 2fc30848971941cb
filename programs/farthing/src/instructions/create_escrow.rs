//! `create_escrow`: an escrow and its vault. To prepay is then to send tokens to the vault.

use anchor_lang::prelude::*;
use anchor_spl::associated_token::AssociatedToken;
use anchor_spl::token::{Mint, Token, TokenAccount};
use farthing_protocol::seeds::ESCROW_SEED;

use crate::state::Escrow;
use crate::state::escrow::EscrowIdentity;
use crate::token::associated_token_bump;

/// Arguments of `create_escrow`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct CreateEscrowArgs {
    /// Distinguishes escrows of one owner in one mint.
    pub escrow_id: u64,
}

/// Accounts of `create_escrow`.
#[derive(Accounts)]
#[instruction(args: CreateEscrowArgs)]
pub struct CreateEscrow<'info> {
    /// The cold key. Signs, so that nobody can make escrows in another's name.
    pub owner: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// Of the classic token program; its type refuses others.
    pub mint: Box<Account<'info, Mint>>,
    /// The new escrow.
    #[account(
        init,
        payer = rent_payer,
        space = Escrow::LENGTH,
        seeds = [
            ESCROW_SEED,
            owner.key().as_ref(),
            mint.key().as_ref(),
            &args.escrow_id.to_le_bytes(),
        ],
        bump,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// May exist already, since anybody can create it and send tokens to it.
    #[account(
        init_if_needed,
        payer = rent_payer,
        associated_token::mint = mint,
        associated_token::authority = escrow,
    )]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
    /// Creates the vault.
    pub associated_token_program: Program<'info, AssociatedToken>,
    /// Creates the escrow.
    pub system_program: Program<'info, System>,
}

impl CreateEscrow<'_> {
    /// Writes the escrow.
    ///
    /// # Errors
    /// None beyond those of the accounts.
    pub fn handler(ctx: Context<Self>, args: &CreateEscrowArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let identity = EscrowIdentity {
            owner: accounts.owner.key(),
            mint: accounts.mint.key(),
            escrow_id: args.escrow_id,
        };
        let vault_bump = associated_token_bump(&accounts.escrow.key(), &identity.mint);
        let rent_payer = accounts.rent_payer.key();
        accounts.escrow.set_inner(Escrow::new(
            identity,
            rent_payer,
            ctx.bumps.escrow,
            vault_bump,
        ));
        Ok(())
    }
}
