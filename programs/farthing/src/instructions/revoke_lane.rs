//! `revoke_lane`: makes a lane's vouchers worthless after the grace, in which the payee settles them.

use anchor_lang::prelude::*;
use farthing_protocol::LaneIndex;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, LaneRevoked};
use crate::state::{Channel, ChannelMut, Escrow};

/// Arguments of `revoke_lane`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct RevokeLaneArgs {
    /// The lane.
    pub lane: u16,
}

/// Accounts of `revoke_lane`.
#[derive(Accounts)]
pub struct RevokeLane<'info> {
    /// The owner or the manager.
    pub authority: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel of the lane.
    #[account(mut, has_one = escrow @ FarthingError::WrongEscrow)]
    pub channel: AccountLoader<'info, Channel>,
}

impl RevokeLane<'_> {
    /// Requires the authority's rights.
    ///
    /// # Errors
    /// [`FarthingError::OwnerOrManagerOnly`].
    pub fn validate(&self) -> Result<()> {
        self.escrow.require_authority(self.authority.key)
    }

    /// Notes the time. A second request succeeds and changes nothing, so that it can be sent again without
    /// moving the deadline.
    ///
    /// # Errors
    /// [`FarthingError::UnknownLane`].
    pub fn handler(ctx: Context<Self>, args: &RevokeLaneArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let now = clock::now()?;
        let mut data = accounts.channel.as_ref().try_borrow_mut_data()?;
        let mut channel = ChannelMut::from_data(&mut data)?;
        if channel.lane_mut(LaneIndex(args.lane))?.revoke(now) {
            emit!(LaneRevoked {
                balances: ChannelBalances::of(accounts.channel.key(), channel.header),
                lane: args.lane,
                entry: Entry::next(&mut accounts.escrow, now)?,
            });
        }
        Ok(())
    }
}
