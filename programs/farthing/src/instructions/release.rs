//! `release`: the payee gives unspent deposit back to the escrow without closing.

use anchor_lang::prelude::*;
use farthing_protocol::BaseUnits;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, Released};
use crate::state::{Channel, Escrow};

/// Arguments of `release`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct ReleaseArgs {
    /// Base units.
    pub amount: u64,
}

/// Accounts of `release`.
#[derive(Accounts)]
pub struct Release<'info> {
    /// The wallet that earns, and gives up the claim on what it releases.
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

impl Release<'_> {
    /// Requires an amount.
    ///
    /// # Errors
    /// [`FarthingError::ZeroAmount`].
    pub fn validate(&self, args: &ReleaseArgs) -> Result<()> {
        require!(args.amount > 0, FarthingError::ZeroAmount);
        Ok(())
    }

    /// Unlocks the amount.
    ///
    /// # Errors
    /// [`FarthingError::UnspentExceeded`].
    pub fn handler(ctx: Context<Self>, args: &ReleaseArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let amount = BaseUnits(args.amount);
        let mut channel = accounts.channel.load_mut()?;
        channel.release(amount)?;
        channel.invariant()?;
        accounts.escrow.unlock(amount)?;
        emit!(Released {
            balances: ChannelBalances::of(accounts.channel.key(), &channel),
            amount: args.amount,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
