//! The accounts of every instruction that may pay a payee, and the payment.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use farthing_protocol::BaseUnits;
use farthing_protocol::deadline::ChainTime;

use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, LaneDebit, Settled};
use crate::state::{Channel, Escrow};
use crate::token::Vault;

/// A channel with the way of its money: from the escrow's vault to the payee.
#[derive(Accounts)]
pub struct Funds<'info> {
    /// The channel's escrow.
    #[account(
        mut,
        has_one = mint @ FarthingError::WrongMint,
        has_one = token_program @ FarthingError::WrongTokenProgram,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
    /// The escrow's mint.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// The escrow's vault.
    #[account(mut, address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// CHECK: the payee's associated token account by its address. It may be closed, frozen or reassigned,
    /// which is looked at before it is paid.
    #[account(
        mut,
        address = channel.load()?.payee_token_address(&escrow.token_program, &escrow.mint)?
            @ FarthingError::WrongPayeeToken,
    )]
    pub payee_token: UncheckedAccount<'info>,
    /// The mint's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl Funds<'_> {
    /// Pays all that is unpaid if the token accounts are usable, and returns what was paid. Ends with the
    /// invariants.
    ///
    /// # Errors
    /// The token program's; a broken invariant.
    pub fn pay_payee(&mut self) -> Result<BaseUnits> {
        let (payee, unpaid) = {
            let channel = self.channel.load()?;
            (channel.payee, BaseUnits(channel.unpaid))
        };
        let was_paid = Vault {
            escrow: &self.escrow,
            mint: &self.mint,
            account: &mut self.vault,
            token_program: &self.token_program,
        }
        .pay_if_possible(&self.payee_token, &payee, unpaid)?;
        let mut channel = self.channel.load_mut()?;
        let mut paid = BaseUnits::ZERO;
        if was_paid {
            channel.mark_paid();
            self.escrow.unlock(unpaid)?;
            paid = unpaid;
        }
        channel.invariant()?;
        self.escrow.invariant(BaseUnits(self.vault.amount))?;
        Ok(paid)
    }

    /// Pays for `lanes`, which were just debited, and for earlier debts; says so in an event.
    ///
    /// # Errors
    /// See [`Self::pay_payee`].
    pub fn pay_settled(&mut self, lanes: Vec<LaneDebit>, now: ChainTime) -> Result<()> {
        let paid = self.pay_payee()?;
        emit!(Settled {
            balances: self.balances()?,
            paid: paid.0,
            vault: self.vault.amount,
            lanes,
            entry: Entry::next(&mut self.escrow, now)?,
        });
        Ok(())
    }

    /// The channel's balances, for an event.
    ///
    /// # Errors
    /// If the channel is in use.
    pub fn balances(&self) -> Result<ChannelBalances> {
        Ok(ChannelBalances::of(
            self.channel.key(),
            &*self.channel.load()?,
        ))
    }
}
