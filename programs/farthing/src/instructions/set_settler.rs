//! `set_settler`: the payee names another hot key, at once.

use anchor_lang::prelude::*;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, SettlerSet};
use crate::state::{Channel, Escrow};

/// Arguments of `set_settler`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct SetSettlerArgs {
    /// The new hot key.
    pub settler: Pubkey,
}

/// Accounts of `set_settler`.
#[derive(Accounts)]
pub struct SetSettler<'info> {
    /// The wallet that earns.
    pub payee: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The payee's channel.
    #[account(
        mut,
        has_one = escrow @ FarthingError::WrongEscrow,
        has_one = payee @ FarthingError::PayeeOnly,
    )]
    pub channel: AccountLoader<'info, Channel>,
}

impl SetSettler<'_> {
    /// Requires a key that does not sign the escrow's statements.
    ///
    /// # Errors
    /// [`FarthingError::CountersignerEarns`].
    pub fn validate(&self, args: &SetSettlerArgs) -> Result<()> {
        self.escrow
            .require_countersigner_is_neither(self.payee.key, &args.settler)
    }

    /// Writes the settler.
    ///
    /// # Errors
    /// None.
    pub fn handler(ctx: Context<Self>, args: &SetSettlerArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let mut channel = accounts.channel.load_mut()?;
        channel.settler = args.settler;
        emit!(SettlerSet {
            balances: ChannelBalances::of(accounts.channel.key(), &channel),
            settler: args.settler,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
