//! `open_channel`: locks free funds for a payee and gives the first agents their lanes.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenAccount;
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_protocol::seeds::CHANNEL_SEED;
use farthing_protocol::{BaseUnits, Domain};

use crate::clock;
use crate::error::FarthingError;
use crate::events::{ChannelBalances, ChannelOpened, Entry};
use crate::signature::sha256;
use crate::state::channel::{lane_count, validate_new_lanes};
use crate::state::{Approval, Authority, Channel, ChannelMut, Escrow, NewLane};
use crate::token::associated_token_bump;

/// Arguments of `open_channel`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct OpenChannelArgs {
    /// The wallet that earns; payouts go to its associated token account and nowhere else.
    pub payee: Pubkey,
    /// The payee's hot key, which settles.
    pub settler: Pubkey,
    /// Distinguishes channels of one escrow to one payee.
    pub channel_id: u64,
    /// What to lock, in base units.
    pub deposit: u64,
    /// Seconds, and slots, between a request to close or revoke and its effect.
    pub grace_seconds: u32,
    /// The cluster's. Cannot be checked here: whoever relies on the channel recomputes its domain.
    pub genesis_hash: [u8; 32],
    /// A recent slot, chosen by the client so that it knows the domain before the channel exists.
    pub opened_slot: u64,
    /// At least one.
    pub lanes: Vec<NewLane>,
}

/// Accounts of `open_channel`.
#[derive(Accounts)]
#[instruction(args: OpenChannelArgs)]
pub struct OpenChannel<'info> {
    /// The owner; or the manager, to an approved payee.
    pub authority: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// The escrow whose funds are locked.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The escrow's vault.
    #[account(address = escrow.vault_address(&escrow.key())? @ FarthingError::WrongVault)]
    pub vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The payee's approval; the owner needs none.
    pub approval: Option<Box<Account<'info, Approval>>>,
    /// The new channel.
    #[account(
        init,
        payer = rent_payer,
        space = Channel::length(args.lanes.len()),
        seeds = [
            CHANNEL_SEED,
            escrow.key().as_ref(),
            args.payee.as_ref(),
            &args.channel_id.to_le_bytes(),
        ],
        bump,
    )]
    pub channel: AccountLoader<'info, Channel>,
    /// Creates the channel.
    pub system_program: Program<'info, System>,
}

impl OpenChannel<'_> {
    /// Requires the authority's rights, and terms within the limits.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &OpenChannelArgs) -> Result<()> {
        let escrow = self.escrow.key();
        if self.escrow.authority(self.authority.key)? == Authority::Manager {
            let approval = self.approval.as_deref();
            Approval::require(approval, &escrow, &args.payee, args.grace_seconds)?;
        }
        require!(args.payee != escrow, FarthingError::PayeeIsEscrow);
        self.escrow
            .require_countersigner_is_neither(&args.payee, &args.settler)?;
        require!(args.deposit > 0, FarthingError::ZeroAmount);
        require!(
            (MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&args.grace_seconds),
            FarthingError::GraceOutOfRange
        );
        let slot = clock::now()?.slot;
        require!(args.opened_slot <= slot, FarthingError::OpenedSlotInFuture);
        require!(
            slot <= args.opened_slot.saturating_add(OPENED_SLOT_WINDOW),
            FarthingError::OpenedSlotTooOld
        );
        validate_new_lanes(&args.lanes, 0)
    }

    /// Locks the deposit and writes the channel.
    ///
    /// # Errors
    /// [`FarthingError::InsufficientFreeFunds`], [`FarthingError::AllowanceExceeded`].
    pub fn handler(ctx: Context<Self>, args: &OpenChannelArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let vault = BaseUnits(accounts.vault.amount);
        let authority = accounts.escrow.authority(accounts.authority.key)?;
        accounts
            .escrow
            .lock(authority, BaseUnits(args.deposit), vault)?;
        accounts.escrow.channel_opened()?;

        let domain = Domain::of_channel(
            sha256,
            ctx.program_id.as_array(),
            &args.genesis_hash,
            accounts.channel.key().as_array(),
            args.opened_slot,
        );
        let mut data = accounts.channel.as_ref().try_borrow_mut_data()?;
        let mut channel = ChannelMut::from_data(&mut data)?;
        channel.initialize(Channel {
            bump: ctx.bumps.channel,
            payee_token_bump: associated_token_bump(
                &args.payee,
                &accounts.escrow.token_program,
                &accounts.escrow.mint,
            ),
            grace_seconds: args.grace_seconds,
            channel_id: args.channel_id,
            escrow: accounts.escrow.key(),
            payee: args.payee,
            settler: args.settler,
            rent_payer: accounts.rent_payer.key(),
            deposit: args.deposit,
            opened_slot: args.opened_slot,
            domain: domain.0,
            ..bytemuck::Zeroable::zeroed()
        });
        channel.write_last_lanes(&args.lanes)?;
        channel.header.invariant()?;
        accounts.escrow.invariant(vault)?;
        emit!(ChannelOpened {
            balances: ChannelBalances::of(accounts.channel.key(), channel.header),
            payee: args.payee,
            settler: args.settler,
            grace_seconds: args.grace_seconds,
            opened_slot: args.opened_slot,
            lanes: lane_count(channel.lanes),
            entry: Entry::next(&mut accounts.escrow, clock::now()?)?,
        });
        Ok(())
    }
}
