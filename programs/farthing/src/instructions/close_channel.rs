//! `close_channel`: pays what is owed, returns the rest to the escrow, and the rent to who paid it.

use anchor_lang::prelude::*;

// With the modules that the macros generate beside it.
use super::funds::*;
use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelClosed, Entry};

/// Accounts of `close_channel`.
#[derive(Accounts)]
pub struct CloseChannel<'info> {
    /// The payee at any time; anybody once the grace is over.
    pub authority: Signer<'info>,
    /// The channel that ends.
    pub funds: Funds<'info>,
    /// CHECK: only receives lamports; `validate` compares it with the recorded one.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl CloseChannel<'_> {
    /// Requires that the channel may close now, and by this signer, and who gets the rent.
    ///
    /// # Errors
    /// [`FarthingError::WrongRentPayer`], [`FarthingError::ClosedTooEarly`],
    /// [`FarthingError::GraceNotOver`].
    pub fn validate(&self) -> Result<()> {
        let channel = self.funds.channel.load()?;
        require!(
            channel.rent_payer == self.rent_payer.key(),
            FarthingError::WrongRentPayer
        );
        let now = clock::now()?;
        channel.require_outside_opening_window(now)?;
        require!(
            self.authority.key() == channel.payee || channel.grace_is_over(now),
            FarthingError::GraceNotOver
        );
        Ok(())
    }

    /// Releases what was not debited and pays what is unpaid. If that cannot be paid the account lives on,
    /// closing, with nothing left to debit: a later `settle`, `pay_out` or `close_channel` pays it.
    ///
    /// # Errors
    /// The token program's.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let funds = &mut accounts.funds;
        let now = clock::now()?;
        let released = funds.channel.load_mut()?.release_unspent(now)?;
        funds.escrow.unlock(released)?;
        let paid = funds.pay_payee()?;
        let balances = funds.balances()?;
        let closed = balances.unpaid == 0;
        if closed {
            funds.escrow.channel_closed()?;
            funds.channel.close(accounts.rent_payer.to_account_info())?;
        }
        emit!(ChannelClosed {
            balances,
            released: released.0,
            paid: paid.0,
            vault: funds.vault.amount,
            closed,
            entry: Entry::next(&mut funds.escrow, now)?,
        });
        Ok(())
    }
}
