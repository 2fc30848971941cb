//! `close_escrow`: ends an escrow without channels. Tokens go to the owner, rent to who paid it.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{
    CloseAccount, Mint, TokenAccount, TokenInterface, close_account,
};
use farthing_protocol::BaseUnits;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, EscrowClosed};
use crate::state::Escrow;
use crate::token::Vault;

/// Accounts of `close_escrow`.
#[derive(Accounts)]
pub struct CloseEscrow<'info> {
    /// The owner; or the rent payer, if the vault is empty.
    pub authority: Signer<'info>,
    /// The escrow that ends.
    #[account(
        mut,
        close = rent_payer,
        has_one = mint @ FarthingError::WrongMint,
        has_one = token_program @ FarthingError::WrongTokenProgram,
        has_one = rent_payer @ FarthingError::WrongRentPayer,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// CHECK: only receives lamports; `escrow` names it.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
    /// The escrow's mint.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// The escrow's vault.
    #[account(mut, address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// A token account of the owner; not needed if the vault is empty.
    #[account(mut, token::mint = mint)]
    pub destination: Option<Box<InterfaceAccount<'info, TokenAccount>>>,
    /// The mint's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl CloseEscrow<'_> {
    /// Requires that nothing is owed, and that what is left goes to the owner.
    ///
    /// # Errors
    /// [`FarthingError::ChannelsOpen`], [`FarthingError::OwnerOrRentPayerOnly`],
    /// [`FarthingError::VaultNotEmpty`], [`FarthingError::DestinationMissing`],
    /// [`FarthingError::DestinationNotOwners`].
    pub fn validate(&self) -> Result<()> {
        require!(self.escrow.open_channels == 0, FarthingError::ChannelsOpen);
        let by_owner = self.authority.key() == self.escrow.owner;
        let by_rent_payer = self.authority.key() == self.escrow.rent_payer;
        require!(
            by_owner || by_rent_payer,
            FarthingError::OwnerOrRentPayerOnly
        );
        if self.vault.amount == 0 {
            return Ok(());
        }
        require!(by_owner, FarthingError::VaultNotEmpty);
        let Some(destination) = &self.destination else {
            return Err(FarthingError::DestinationMissing.into());
        };
        require!(
            destination.owner == self.escrow.owner,
            FarthingError::DestinationNotOwners
        );
        Ok(())
    }

    /// Empties and closes the vault; the escrow closes with the instruction.
    ///
    /// # Errors
    /// The token program's.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let amount = BaseUnits(accounts.vault.amount);
        let destination = accounts
            .destination
            .as_ref()
            .filter(|_| amount > BaseUnits::ZERO);
        if let Some(destination) = destination {
            Vault {
                escrow: &accounts.escrow,
                mint: &accounts.mint,
                account: &mut accounts.vault,
                token_program: &accounts.token_program,
            }
            .pay(destination.to_account_info(), amount)?;
        }
        let cpi_accounts = CloseAccount {
            account: accounts.vault.to_account_info(),
            destination: accounts.rent_payer.to_account_info(),
            authority: accounts.escrow.to_account_info(),
        };
        let token_program = accounts.token_program.key();
        accounts.escrow.with_signer_seeds(|seeds| {
            close_account(CpiContext::new_with_signer(
                token_program,
                cpi_accounts,
                seeds,
            ))
        })?;
        emit!(EscrowClosed {
            amount: amount.0,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
