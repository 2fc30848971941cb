//! `add_lanes`: appends lanes to a channel, for more agents on the same deposit.

use anchor_lang::prelude::*;
use anchor_lang::system_program::{Transfer, transfer};
use farthing_protocol::layout::CHANNEL_HEADER_LENGTH;
use farthing_protocol::layout::LANE_LENGTH;

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, Entry, LanesAdded};
use crate::state::channel::{lane_count, validate_new_lanes};
use crate::state::{Channel, ChannelMut, Escrow, NewLane};

/// Arguments of `add_lanes`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct AddLanesArgs {
    /// At least one.
    pub lanes: Vec<NewLane>,
}

/// Accounts of `add_lanes`.
#[derive(Accounts)]
pub struct AddLanes<'info> {
    /// The owner or the manager.
    pub authority: Signer<'info>,
    /// Pays for the growth. The channel's recorded one, so that all its lamports return to who paid them.
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// The channel's escrow.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The channel that grows.
    #[account(
        mut,
        has_one = escrow @ FarthingError::WrongEscrow,
        has_one = rent_payer @ FarthingError::WrongRentPayer,
    )]
    pub channel: AccountLoader<'info, Channel>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

impl AddLanes<'_> {
    /// Requires the authority's rights, a channel that is not closing, and valid lanes that fit.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &AddLanesArgs) -> Result<()> {
        self.escrow.require_authority(self.authority.key)?;
        self.channel.load()?.require_open()?;
        validate_new_lanes(&args.lanes, self.existing_lanes())
    }

    /// Grows the account and writes the lanes.
    ///
    /// # Errors
    /// The system program's, if the rent payer cannot pay.
    pub fn handler(ctx: Context<Self>, args: &AddLanesArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let lanes = accounts.existing_lanes() + args.lanes.len();
        accounts.grow_to(Channel::length(lanes))?;
        let mut data = accounts.channel.as_ref().try_borrow_mut_data()?;
        let mut channel = ChannelMut::from_data(&mut data)?;
        channel.write_last_lanes(&args.lanes)?;
        emit!(LanesAdded {
            balances: ChannelBalances::of(accounts.channel.key(), channel.header),
            lanes: lane_count(channel.lanes),
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }

    fn existing_lanes(&self) -> usize {
        let length = self.channel.as_ref().data_len();
        length.saturating_sub(CHANNEL_HEADER_LENGTH) / LANE_LENGTH
    }

    fn grow_to(&self, length: usize) -> Result<()> {
        let channel = self.channel.as_ref();
        let missing = Rent::get()?
            .minimum_balance(length)
            .saturating_sub(channel.lamports());
        if missing > 0 {
            let accounts = Transfer {
                from: self.rent_payer.to_account_info(),
                to: channel.clone(),
            };
            transfer(
                CpiContext::new(self.system_program.key(), accounts),
                missing,
            )?;
        }
        channel.resize(length)?;
        Ok(())
    }
}
