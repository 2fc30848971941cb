//! `raise_cap`: lets a lane be debited more, at once. The cap is cumulative over generations.

use anchor_lang::prelude::*;
use farthing_protocol::{BaseUnits, LaneIndex};

use crate::clock;
use crate::error::FarthingError;
use crate::events::{CapRaised, ChannelBalances, Entry};
use crate::state::{Channel, ChannelMut, Escrow};

/// Arguments of `raise_cap`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct RaiseCapArgs {
    /// The lane.
    pub lane: u16,
    /// What it may be debited in total from now on, in base units.
    pub cap: u64,
}

/// Accounts of `raise_cap`.
#[derive(Accounts)]
pub struct RaiseCap<'info> {
    /// The owner or the manager.
    pub authority: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel of the lane.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
}

impl RaiseCap<'_> {
    /// Requires the authority's rights, and a channel that is not closing.
    ///
    /// # Errors
    /// [`FarthingError::OwnerOrManagerOnly`], [`FarthingError::ChannelClosing`].
    pub fn validate(&self) -> Result<()> {
        self.escrow.require_authority(self.authority.key)?;
        self.channel.load()?.require_open()
    }

    /// Raises the cap.
    ///
    /// # Errors
    /// [`FarthingError::UnknownLane`], [`FarthingError::LaneRevoked`], [`FarthingError::CapNotRaised`].
    pub fn handler(ctx: Context<Self>, args: &RaiseCapArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let mut data = accounts.channel.as_ref().try_borrow_mut_data()?;
        let mut channel = ChannelMut::from_data(&mut data)?;
        let lane = channel.lane_mut(LaneIndex(args.lane))?;
        lane.raise_cap(BaseUnits(args.cap))?;
        emit!(CapRaised {
            balances: ChannelBalances::of(accounts.channel.key(), channel.header),
            lane: args.lane,
            cap: args.cap,
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
