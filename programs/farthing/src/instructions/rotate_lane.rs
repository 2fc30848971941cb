//! `rotate_lane`: gives a lane whose revocation took effect a new key. The counter carries on.

use anchor_lang::prelude::*;
use farthing_protocol::LaneIndex;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, LaneRotated};
use crate::state::{Channel, ChannelMut, Escrow, NewLane};

/// Arguments of `rotate_lane`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct RotateLaneArgs {
    /// The lane.
    pub lane: u16,
    /// Its new key, and its cap: cumulative over generations, so at least what was debited.
    pub new: NewLane,
}

/// Accounts of `rotate_lane`.
#[derive(Accounts)]
pub struct RotateLane<'info> {
    /// The owner or the manager.
    pub authority: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel of the lane.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
}

impl RotateLane<'_> {
    /// Requires the authority's rights, a channel that is not closing, and a usable key.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &RotateLaneArgs) -> Result<()> {
        self.escrow.require_authority(self.authority.key)?;
        self.channel.load()?.require_open()?;
        args.new.validate()
    }

    /// Replaces the signer.
    ///
    /// # Errors
    /// [`FarthingError::UnknownLane`], [`FarthingError::RevocationNotEffective`],
    /// [`FarthingError::CapBelowDebited`], [`FarthingError::GenerationsExhausted`].
    pub fn handler(ctx: Context<Self>, args: &RotateLaneArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let now = clock::now()?;
        let mut data = accounts.channel.as_ref().try_borrow_mut_data()?;
        let mut channel = ChannelMut::from_data(&mut data)?;
        let grace_seconds = channel.header.grace_seconds;
        let lane = channel.lane_mut(LaneIndex(args.lane))?;
        lane.rotate(&args.new, grace_seconds, now)?;
        let generation = lane.generation;
        emit!(LaneRotated {
            balances: ChannelBalances::of(accounts.channel.key(), channel.header),
            lane: args.lane,
            generation,
            signer: args.new.signer,
            cap: args.new.cap,
            entry: Entry::next(&mut accounts.escrow, now)?,
        });
        Ok(())
    }
}
