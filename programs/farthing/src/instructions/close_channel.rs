//! `close_channel`: pays what is owed, returns the rest to the escrow, and the rent to who paid it.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use farthing_protocol::BaseUnits;

use crate::clock;
use crate::error::FarthingError;
use crate::state::{Channel, Escrow};
use crate::token::Vault;

/// Accounts of `close_channel`.
#[derive(Accounts)]
pub struct CloseChannel<'info> {
    /// The payee at any time; anybody once the grace is over.
    pub authority: Signer<'info>,
    /// The channel's escrow.
    #[account(mut, has_one = mint @ FarthingError::WrongMint)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel that ends.
    #[account(
        mut,
        has_one = escrow @ FarthingError::WrongEscrow,
        has_one = rent_payer @ FarthingError::WrongRentPayer,
    )]
    pub channel: AccountLoader<'info, Channel>,
    /// The escrow's mint.
    pub mint: Box<Account<'info, Mint>>,
    /// The escrow's vault.
    #[account(mut, address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// CHECK: the payee's associated token account by its address. It may be closed, frozen or reassigned,
    /// which is looked at before it is paid.
    #[account(
        mut,
        address = channel.load()?.payee_token_address(&mint.key())? @ FarthingError::WrongPayeeToken,
    )]
    pub payee_token: UncheckedAccount<'info>,
    /// CHECK: only receives lamports; `channel` names it.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl CloseChannel<'_> {
    /// Requires that the channel may close now, and by this signer.
    ///
    /// # Errors
    /// [`FarthingError::ClosedTooEarly`], [`FarthingError::GraceNotOver`].
    pub fn validate(&self) -> Result<()> {
        let channel = self.channel.load()?;
        let now = clock::now()?;
        channel.require_outside_opening_window(now)?;
        require!(
            self.authority.key() == channel.payee || channel.grace_is_over(now),
            FarthingError::GraceNotOver
        );
        Ok(())
    }

    /// Releases what was not debited and pays what is unpaid. If that cannot be paid the account lives on,
    /// closing, with nothing left to debit: a later `settle` or `close_channel` pays it.
    ///
    /// # Errors
    /// The token program's.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let (payee, unpaid, unspent) = {
            let mut channel = accounts.channel.load_mut()?;
            let unspent = channel.release_unspent(clock::now()?)?;
            (channel.payee, BaseUnits(channel.unpaid), unspent)
        };
        accounts.escrow.unlock(unspent)?;
        let paid = Vault {
            escrow: &accounts.escrow,
            mint: &accounts.mint,
            account: &mut accounts.vault,
            token_program: &accounts.token_program,
        }
        .pay_if_possible(&accounts.payee_token, &payee, unpaid)?;
        accounts.channel.load()?.invariant()?;
        if paid {
            accounts.escrow.unlock(unpaid)?;
            accounts.escrow.channel_closed()?;
            let rent_payer = accounts.rent_payer.to_account_info();
            accounts.channel.close(rent_payer)?;
        }
        accounts.escrow.invariant(BaseUnits(accounts.vault.amount))
    }
}
