//! `set_manager`: who may put the escrow's money into channels, and how much of it.

use anchor_lang::prelude::*;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{Entry, ManagerSet};
use crate::state::Escrow;

/// Arguments of `set_manager`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct SetManagerArgs {
    /// The hot key, or none.
    pub manager: Option<Pubkey>,
    /// What it may put into channels from now on, in base units.
    pub allowance: u64,
    /// What the owner believes to be left of the present allowance: what the manager spends while this
    /// transaction is under way must not be granted again.
    pub expected_allowance: u64,
}

/// Accounts of `set_manager`.
#[derive(Accounts)]
pub struct SetManager<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Its escrow.
    #[account(mut, has_one = owner @ FarthingError::OwnerOnly)]
    pub escrow: Box<Account<'info, Escrow>>,
}

impl SetManager<'_> {
    /// Requires the expected allowance.
    ///
    /// # Errors
    /// [`FarthingError::AllowanceChanged`].
    pub fn validate(&self, args: &SetManagerArgs) -> Result<()> {
        require!(
            self.escrow.manager_allowance == args.expected_allowance,
            FarthingError::AllowanceChanged
        );
        Ok(())
    }

    /// Writes manager and allowance.
    ///
    /// # Errors
    /// None.
    pub fn handler(ctx: Context<Self>, args: &SetManagerArgs) -> Result<()> {
        let escrow = &mut ctx.accounts.escrow;
        escrow.manager = args.manager;
        escrow.manager_allowance = args.allowance;
        emit!(ManagerSet {
            manager: args.manager,
            entry: Entry::next(escrow, clock::now()?)?,
        });
        Ok(())
    }
}
