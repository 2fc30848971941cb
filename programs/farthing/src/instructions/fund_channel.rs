//! `fund_channel`: moves free funds into a channel.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenAccount;
use farthing_protocol::BaseUnits;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, ChannelFunded, Entry};
use crate::state::{Approval, Authority, Channel, Escrow};

/// Arguments of `fund_channel`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct FundChannelArgs {
    /// Base units.
    pub amount: u64,
}

/// Accounts of `fund_channel`.
#[derive(Accounts)]
pub struct FundChannel<'info> {
    /// The owner; or the manager, to an approved payee.
    pub authority: Signer<'info>,
    /// The escrow whose funds are locked.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The escrow's vault.
    #[account(address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The payee's approval; the owner needs none.
    pub approval: Option<Box<Account<'info, Approval>>>,
    /// The escrow's channel.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
}

impl FundChannel<'_> {
    /// Requires the authority's rights, an amount, and a channel that is not closing.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &FundChannelArgs) -> Result<()> {
        let channel = self.channel.load()?;
        if self.escrow.authority(self.authority.key)? == Authority::Manager {
            let approval = self.approval.as_deref();
            let escrow = self.escrow.key();
            Approval::require(approval, &escrow, &channel.payee, channel.grace_seconds)?;
        }
        require!(args.amount > 0, FarthingError::ZeroAmount);
        channel.require_open()
    }

    /// Locks the amount.
    ///
    /// # Errors
    /// [`FarthingError::InsufficientFreeFunds`], [`FarthingError::AllowanceExceeded`].
    pub fn handler(ctx: Context<Self>, args: &FundChannelArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let amount = BaseUnits(args.amount);
        let vault = BaseUnits(accounts.vault.amount);
        let authority = accounts.escrow.authority(accounts.authority.key)?;
        accounts.escrow.lock(authority, amount, vault)?;
        let mut channel = accounts.channel.load_mut()?;
        channel.fund(amount)?;
        channel.invariant()?;
        accounts.escrow.invariant(vault)?;
        emit!(ChannelFunded {
            balances: ChannelBalances::of(accounts.channel.key(), &channel),
            amount: args.amount,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
