//! `create_escrow`: an escrow and its vault. To prepay is then to send tokens to the vault.

use anchor_lang::prelude::*;
use anchor_spl::associated_token::AssociatedToken;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use farthing_protocol::seeds::ESCROW_SEED;

use crate::clock;
use crate::events::{Entry, EscrowCreated};
use crate::state::Escrow;
use crate::state::escrow::EscrowIdentity;
use crate::token::{associated_token_bump, require_harmless_mint};

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
    /// Of the classic token program, or of Token-2022 with harmless extensions.
    #[account(mint::token_program = token_program)]
    pub mint: Box<InterfaceAccount<'info, Mint>>,
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
        associated_token::token_program = token_program,
    )]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The mint's token program.
    pub token_program: Interface<'info, TokenInterface>,
    /// Creates the vault.
    pub associated_token_program: Program<'info, AssociatedToken>,
    /// Creates the escrow.
    pub system_program: Program<'info, System>,
}

impl CreateEscrow<'_> {
    /// Requires a mint whose tokens stay where they are.
    ///
    /// # Errors
    /// [`crate::error::FarthingError::MintExtensionNotAllowed`].
    pub fn validate(&self) -> Result<()> {
        require_harmless_mint(&self.mint)
    }

    /// Writes the escrow.
    ///
    /// # Errors
    /// None beyond those of the accounts.
    pub fn handler(ctx: Context<Self>, args: &CreateEscrowArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let identity = EscrowIdentity {
            owner: accounts.owner.key(),
            mint: accounts.mint.key(),
            token_program: accounts.token_program.key(),
            escrow_id: args.escrow_id,
        };
        let vault_bump = associated_token_bump(
            &accounts.escrow.key(),
            &identity.token_program,
            &identity.mint,
        );
        let rent_payer = accounts.rent_payer.key();
        accounts.escrow.set_inner(Escrow::new(
            identity,
            rent_payer,
            ctx.bumps.escrow,
            vault_bump,
        ));
        emit!(EscrowCreated {
            owner: identity.owner,
            mint: identity.mint,
            vault: accounts.vault.amount,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
