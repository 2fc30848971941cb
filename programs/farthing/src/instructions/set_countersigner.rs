//! `set_countersigner`: who may sign statements, or nobody.

use anchor_lang::prelude::*;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{CountersignerSet, Entry};
use crate::signature::require_signing_key;
use crate::state::{Channel, Escrow};

/// Arguments of `set_countersigner`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct SetCountersignerArgs {
    /// The key, or none.
    pub countersigner: Option<Pubkey>,
}

/// Accounts of `set_countersigner`. Further accounts are channels of the escrow, none of which may pay the
/// countersigner: the caller gives those that it knows. Of the others `settle_statement` takes care.
#[derive(Accounts)]
pub struct SetCountersigner<'info> {
    /// The cold key.
    pub owner: Signer<'info>,
    /// Its escrow.
    #[account(mut, has_one = owner @ FarthingError::OwnerOnly)]
    pub escrow: Box<Account<'info, Escrow>>,
}

impl SetCountersigner<'_> {
    /// Requires a key that a lane could have as well.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn validate(&self, args: &SetCountersignerArgs) -> Result<()> {
        args.countersigner
            .as_ref()
            .map_or(Ok(()), require_signing_key)
    }

    /// Writes the countersigner.
    ///
    /// # Errors
    /// [`FarthingError::CountersignerEarns`], [`FarthingError::WrongEscrow`].
    pub fn handler<'info>(
        ctx: Context<'info, SetCountersigner<'info>>,
        args: &SetCountersignerArgs,
    ) -> Result<()> {
        let escrow = &mut ctx.accounts.escrow;
        escrow.countersigner = args.countersigner;
        for account in ctx.remaining_accounts {
            let channel = AccountLoader::<Channel>::try_from(account)?;
            let channel = channel.load()?;
            require!(channel.escrow == escrow.key(), FarthingError::WrongEscrow);
            escrow.require_countersigner_is_neither(&channel.payee, &channel.settler)?;
        }
        emit!(CountersignerSet {
            countersigner: args.countersigner,
            entry: Entry::next(escrow, clock::now()?)?,
        });
        Ok(())
    }
}
