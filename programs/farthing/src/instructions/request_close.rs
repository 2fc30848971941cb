//! `request_close`: starts the grace, in which the payee settles what it is owed.

use anchor_lang::prelude::*;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, CloseRequested, Entry};
use crate::state::{Channel, Escrow};

/// Accounts of `request_close`.
#[derive(Accounts)]
pub struct RequestClose<'info> {
    /// The owner or the manager.
    pub authority: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel that will close.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
}

impl RequestClose<'_> {
    /// Requires the authority's rights, and that this is the first request: a second one must not move the
    /// deadline.
    ///
    /// # Errors
    /// [`FarthingError::OwnerOrManagerOnly`], [`FarthingError::CloseAlreadyRequested`].
    pub fn validate(&self) -> Result<()> {
        self.escrow.require_authority(self.authority.key)?;
        require!(
            !self.channel.load()?.is_closing(),
            FarthingError::CloseAlreadyRequested
        );
        Ok(())
    }

    /// Notes the time.
    ///
    /// # Errors
    /// None.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = clock::now()?;
        let mut channel = accounts.channel.load_mut()?;
        channel.request_close(now);
        emit!(CloseRequested {
            balances: ChannelBalances::of(accounts.channel.key(), &channel),
            entry: Entry::next(&mut accounts.escrow, now)?,
        });
        Ok(())
    }
}
