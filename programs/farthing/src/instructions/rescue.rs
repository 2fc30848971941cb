//! `rescue`: returns tokens that were sent to the escrow's address by mistake, in any mint.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::program::invoke_signed;
use anchor_spl::token_2022::spl_token_2022::instruction::transfer_checked;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, Rescued};
use crate::state::Escrow;

/// Accounts of `rescue`. Further accounts are passed on to the token program, for mints whose transfers call
/// another program.
#[derive(Accounts)]
pub struct Rescue<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Its escrow.
    #[account(mut, has_one = owner @ FarthingError::OwnerOnly)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The mint of what was sent, which need not be the escrow's.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Any token account of the escrow's address but the vault.
    #[account(mut, token::mint = mint, token::authority = escrow)]
    pub source: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Any other token account; the owner chooses. The vault makes it free funds.
    #[account(mut, token::mint = mint)]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The mint's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl Rescue<'_> {
    /// Requires that it is not prepaid money, and something at all.
    ///
    /// # Errors
    /// [`FarthingError::RescueOfVault`], [`FarthingError::NothingToRescue`].
    pub fn validate(&self) -> Result<()> {
        let vault = self.escrow.vault_address(&self.escrow.key())?;
        require!(self.source.key() != vault, FarthingError::RescueOfVault);
        require!(self.source.amount > 0, FarthingError::NothingToRescue);
        Ok(())
    }

    /// Moves everything.
    ///
    /// # Errors
    /// The token program's.
    pub fn handler<'info>(ctx: Context<'info, Rescue<'info>>) -> Result<()> {
        let accounts = ctx.accounts;
        let amount = accounts.source.amount;
        let mut transfer = transfer_checked(
            accounts.token_program.key,
            &accounts.source.key(),
            &accounts.mint.key(),
            &accounts.destination.key(),
            &accounts.escrow.key(),
            &[],
            amount,
            accounts.mint.decimals,
        )?;
        let mut infos = vec![
            accounts.source.to_account_info(),
            accounts.mint.to_account_info(),
            accounts.destination.to_account_info(),
            accounts.escrow.to_account_info(),
        ];
        for account in ctx.remaining_accounts {
            // Nobody's signature is passed on to a program that a stranger's mint names.
            transfer.accounts.push(AccountMeta {
                pubkey: *account.key,
                is_signer: false,
                is_writable: account.is_writable,
            });
            infos.push(account.clone());
        }
        accounts.escrow.with_signer_seeds(|seeds| {
            invoke_signed(&transfer, &infos, seeds)?;
            Ok(())
        })?;
        emit!(Rescued {
            mint: accounts.mint.key(),
            amount,
            destination: accounts.destination.key(),
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
