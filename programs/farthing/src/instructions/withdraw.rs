//! `withdraw`: pays free funds out, at once.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use farthing_protocol::BaseUnits;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, Withdrawn};
use crate::state::Escrow;
use crate::token::Vault;

/// Arguments of `withdraw`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct WithdrawArgs {
    /// Base units.
    pub amount: u64,
}

/// Accounts of `withdraw`.
#[derive(Accounts)]
pub struct Withdraw<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Its escrow.
    #[account(
        mut,
        has_one = owner @ FarthingError::OwnerOnly,
        has_one = mint @ FarthingError::WrongMint,
        has_one = token_program @ FarthingError::WrongTokenProgram,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The escrow's mint.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// The escrow's vault.
    #[account(mut, address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Any token account but the vault; the owner chooses.
    #[account(mut, token::mint = mint)]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The mint's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl Withdraw<'_> {
    /// Requires an amount, and that it is free.
    ///
    /// # Errors
    /// [`FarthingError::ZeroAmount`], [`FarthingError::InsufficientFreeFunds`].
    pub fn validate(&self, args: &WithdrawArgs) -> Result<()> {
        require!(args.amount > 0, FarthingError::ZeroAmount);
        let free = self.escrow.free(BaseUnits(self.vault.amount))?;
        require!(
            BaseUnits(args.amount) <= free,
            FarthingError::InsufficientFreeFunds
        );
        Ok(())
    }

    /// Pays.
    ///
    /// # Errors
    /// The token program's.
    pub fn handler(ctx: Context<Self>, args: &WithdrawArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let destination = accounts.destination.to_account_info();
        Vault {
            escrow: &accounts.escrow,
            mint: &accounts.mint,
            account: &mut accounts.vault,
            token_program: &accounts.token_program,
        }
        .pay(destination, BaseUnits(args.amount))?;
        accounts
            .escrow
            .invariant(BaseUnits(accounts.vault.amount))?;
        emit!(Withdrawn {
            amount: args.amount,
            destination: accounts.destination.key(),
            vault: accounts.vault.amount,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
