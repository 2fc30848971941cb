//! `pay_out`: pays what is unpaid once the payee's account works again. Anybody may, since only the payee gains.

use anchor_lang::prelude::*;
use farthing_protocol::BaseUnits;

// With the modules that the macros generate beside it.
use super::funds::*;
use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, PaidOut};

/// Accounts of `pay_out`.
#[derive(Accounts)]
pub struct PayOut<'info> {
    /// The channel that owes.
    pub funds: Funds<'info>,
}

impl PayOut<'_> {
    /// Requires that something is unpaid.
    ///
    /// # Errors
    /// [`FarthingError::NothingUnpaid`].
    pub fn validate(&self) -> Result<()> {
        require!(
            self.funds.channel.load()?.unpaid > 0,
            FarthingError::NothingUnpaid
        );
        Ok(())
    }

    /// Pays.
    ///
    /// # Errors
    /// [`FarthingError::PayeeCannotReceive`]; the token program's.
    pub fn handler(ctx: Context<Self>) -> Result<()> {
        let funds = &mut ctx.accounts.funds;
        let paid = funds.pay_payee()?;
        require!(paid > BaseUnits::ZERO, FarthingError::PayeeCannotReceive);
        emit!(PaidOut {
            balances: funds.balances()?,
            amount: paid.0,
            vault: funds.vault.amount,
            entry: Entry::next(&mut funds.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
