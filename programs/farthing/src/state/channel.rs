//! The channel: funds of an escrow that are locked for one payee, with a lane for each agent.
//!
//! The account is a header and a tail of lanes. Both are used in place, so that an instruction touches the
//! lanes that it names and no other, however many there are.

use core::mem::offset_of;

use anchor_lang::prelude::*;
use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::layout::{
    CHANNEL_DISCRIMINATOR, CHANNEL_HEADER_LENGTH, LANE_LENGTH, LAYOUT_VERSION, NEVER,
};
use farthing_protocol::limits::{MAX_LANES, MAX_LANES_PER_INSTRUCTION, OPENED_SLOT_WINDOW};
use farthing_protocol::{BaseUnits, Domain, LaneIndex};

use crate::error::FarthingError;
use crate::events::LaneDebit;
use crate::state::lane::{Lane, NewLane};
use crate::token::associated_token_address;

/// PDA `["channel", escrow, payee, channel_id u64 LE]`; the header of the account, after the
/// discriminator. Layout in `farthing_protocol::layout`. Amounts are base units of the escrow's mint.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Channel {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Bump of the payee's associated token account.
    pub payee_token_bump: u8,
    /// Zero.
    pub reserved: u8,
    /// Seconds, and slots, between a request to close or revoke and its effect.
    pub grace_seconds: u32,
    /// Distinguishes channels of one escrow to one payee.
    pub channel_id: u64,
    /// The escrow that the deposit belongs to.
    pub escrow: Pubkey,
    /// The wallet that earns.
    pub payee: Pubkey,
    /// The payee's hot key.
    pub settler: Pubkey,
    /// Who pays for lanes, and gets the rent back.
    pub rent_payer: Pubkey,
    /// Locked for the payee.
    pub deposit: u64,
    /// The sum of the lanes' counters. Never falls.
    pub debited: u64,
    /// Debited but not yet received by the payee.
    pub unpaid: u64,
    /// When the close was requested, in Unix seconds; [`NEVER`] while the channel is open.
    pub close_requested_at: i64,
    /// The slot in which the close was requested.
    pub close_requested_slot: u64,
    /// The slot that is part of the domain.
    pub opened_slot: u64,
    /// What vouchers of this incarnation are bound to.
    pub domain: [u8; 32],
}

/// Offset of a header field in the account.
macro_rules! account_offset {
    ($field:ident) => {
        Channel::DISCRIMINATOR.len() + offset_of!(Channel, $field)
    };
}

const _: () = {
    assert!(Channel::DISCRIMINATOR.len() + size_of::<Channel>() == CHANNEL_HEADER_LENGTH);
    assert!(account_offset!(version) == 8);
    assert!(account_offset!(bump) == 9);
    assert!(account_offset!(payee_token_bump) == 10);
    assert!(account_offset!(grace_seconds) == 12);
    assert!(account_offset!(channel_id) == 16);
    assert!(account_offset!(escrow) == 24);
    assert!(account_offset!(payee) == 56);
    assert!(account_offset!(settler) == 88);
    assert!(account_offset!(rent_payer) == 120);
    assert!(account_offset!(deposit) == 152);
    assert!(account_offset!(debited) == 160);
    assert!(account_offset!(unpaid) == 168);
    assert!(account_offset!(close_requested_at) == 176);
    assert!(account_offset!(close_requested_slot) == 184);
    assert!(account_offset!(opened_slot) == 192);
    assert!(account_offset!(domain) == 200);
    let mut i = 0;
    while i < CHANNEL_DISCRIMINATOR.len() {
        assert!(Channel::DISCRIMINATOR[i] == CHANNEL_DISCRIMINATOR[i]);
        i += 1;
    }
};

/// What a lane is to be debited.
#[derive(Debug, Clone, Copy)]
pub struct Debit {
    /// The lane.
    pub lane: LaneIndex,
    /// By how much its counter moves; zero for an entry that is skipped.
    pub owed: BaseUnits,
}

impl Channel {
    /// Length of an account with `lanes` lanes, in bytes.
    #[must_use]
    pub const fn length(lanes: usize) -> usize {
        CHANNEL_HEADER_LENGTH + lanes * LANE_LENGTH
    }

    /// The only account that the payee is paid on: its associated token account.
    ///
    /// # Errors
    /// [`FarthingError::AddressNotDerivable`] if the stored bump is wrong, which the program never writes.
    pub fn payee_token_address(&self, token_program: &Pubkey, mint: &Pubkey) -> Result<Pubkey> {
        associated_token_address(&self.payee, token_program, mint, self.payee_token_bump)
    }

    /// What vouchers of this incarnation are bound to.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        Domain(self.domain)
    }

    /// Whether a close was requested, or the channel is closed but for what is unpaid.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.close_requested_at != NEVER
    }

    /// Requires one of the two keys that may settle.
    ///
    /// # Errors
    /// [`FarthingError::SettlerOrPayeeOnly`].
    pub fn require_settler_or_payee(&self, signer: &Pubkey) -> Result<()> {
        require!(
            *signer == self.settler || *signer == self.payee,
            FarthingError::SettlerOrPayeeOnly
        );
        Ok(())
    }

    /// Requires that the channel may still grow.
    ///
    /// # Errors
    /// [`FarthingError::ChannelClosing`].
    pub fn require_open(&self) -> Result<()> {
        require!(!self.is_closing(), FarthingError::ChannelClosing);
        Ok(())
    }

    /// Whether the grace since the request to close is over.
    #[must_use]
    pub fn grace_is_over(&self, now: ChainTime) -> bool {
        grace_is_over(self.close_requested(), self.grace_seconds, now)
    }

    /// Requires that no `opened_slot` that is valid from now on can equal this channel's.
    ///
    /// The comparison is strict: a channel that is opened again in this very slot may choose an
    /// `opened_slot` as old as the window, and must not hit the one whose vouchers are public by now.
    ///
    /// # Errors
    /// [`FarthingError::ClosedTooEarly`].
    pub fn require_outside_opening_window(&self, now: ChainTime) -> Result<()> {
        let window_end = self.opened_slot.saturating_add(OPENED_SLOT_WINDOW);
        require!(now.slot > window_end, FarthingError::ClosedTooEarly);
        Ok(())
    }

    /// What is locked and not debited.
    ///
    /// # Errors
    /// [`FarthingError::DebitedAboveDeposit`].
    pub fn unspent(&self) -> Result<BaseUnits> {
        BaseUnits(self.deposit)
            .checked_sub(BaseUnits(self.debited))
            .ok_or_else(|| FarthingError::DebitedAboveDeposit.into())
    }

    /// Adds to the deposit.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`].
    pub fn fund(&mut self, amount: BaseUnits) -> Result<()> {
        self.deposit = BaseUnits(self.deposit)
            .checked_add(amount)
            .ok_or(FarthingError::Overflow)?
            .0;
        Ok(())
    }

    /// Gives a part of what was not debited back.
    ///
    /// # Errors
    /// [`FarthingError::UnspentExceeded`].
    pub fn release(&mut self, amount: BaseUnits) -> Result<()> {
        require!(amount <= self.unspent()?, FarthingError::UnspentExceeded);
        // Cannot be negative: the unspent part of the deposit is not more than the deposit.
        self.deposit -= amount.0;
        Ok(())
    }

    /// Starts the grace.
    pub const fn request_close(&mut self, now: ChainTime) {
        self.close_requested_at = now.unix_timestamp;
        self.close_requested_slot = now.slot;
    }

    /// Takes what was not debited out of the channel and returns it. The channel is closing from now on, if
    /// it was not before.
    ///
    /// # Errors
    /// [`FarthingError::DebitedAboveDeposit`].
    pub fn release_unspent(&mut self, now: ChainTime) -> Result<BaseUnits> {
        let unspent = self.unspent()?;
        self.deposit = self.debited;
        if !self.is_closing() {
            self.request_close(now);
        }
        Ok(unspent)
    }

    /// Notes that the payee received all that was unpaid.
    pub const fn mark_paid(&mut self) {
        self.unpaid = 0;
    }

    /// What holds after every instruction that moves money: no more was debited than deposited.
    ///
    /// # Errors
    /// [`FarthingError::DebitedAboveDeposit`].
    pub fn invariant(&self) -> Result<()> {
        self.unspent().map(|_| ())
    }

    const fn close_requested(&self) -> ChainTime {
        ChainTime {
            unix_timestamp: self.close_requested_at,
            slot: self.close_requested_slot,
        }
    }
}

/// A channel's header and lanes, in the account's data.
#[derive(Debug)]
pub struct ChannelMut<'a> {
    /// The header.
    pub header: &'a mut Channel,
    /// The lanes in ascending order.
    pub lanes: &'a mut [Lane],
}

impl<'a> ChannelMut<'a> {
    /// Views the data of a channel account, whose discriminator is checked when the account is loaded.
    ///
    /// # Errors
    /// [`FarthingError::ChannelLength`] if it is not a header and whole lanes, which the program never
    /// writes.
    pub fn from_data(data: &'a mut [u8]) -> Result<Self> {
        let (header, lanes) = data
            .split_at_mut_checked(CHANNEL_HEADER_LENGTH)
            .ok_or(FarthingError::ChannelLength)?;
        Ok(Self {
            header: bytemuck::try_from_bytes_mut(&mut header[Channel::DISCRIMINATOR.len()..])
                .map_err(|_| FarthingError::ChannelLength)?,
            lanes: bytemuck::try_cast_slice_mut(lanes).map_err(|_| FarthingError::ChannelLength)?,
        })
    }

    /// Writes the header of a new channel, which is open.
    pub fn initialize(&mut self, header: Channel) {
        *self.header = Channel {
            version: LAYOUT_VERSION,
            reserved: 0,
            debited: 0,
            unpaid: 0,
            close_requested_at: NEVER,
            close_requested_slot: 0,
            ..header
        };
    }

    /// Fills the last lanes of the account with `new`.
    ///
    /// # Errors
    /// [`FarthingError::ChannelLength`] if there are fewer lanes than new ones.
    pub fn write_last_lanes(&mut self, new: &[NewLane]) -> Result<()> {
        let first = self
            .lanes
            .len()
            .checked_sub(new.len())
            .ok_or(FarthingError::ChannelLength)?;
        for (lane, new) in self.lanes[first..].iter_mut().zip(new) {
            *lane = Lane::new(new);
        }
        Ok(())
    }

    /// A lane.
    ///
    /// # Errors
    /// [`FarthingError::UnknownLane`].
    pub fn lane(&self, index: LaneIndex) -> Result<&Lane> {
        self.lanes
            .get(usize::from(index.0))
            .ok_or_else(|| FarthingError::UnknownLane.into())
    }

    /// A lane that may change.
    ///
    /// # Errors
    /// [`FarthingError::UnknownLane`].
    pub fn lane_mut(&mut self, index: LaneIndex) -> Result<&mut Lane> {
        self.lanes
            .get_mut(usize::from(index.0))
            .ok_or_else(|| FarthingError::UnknownLane.into())
    }

    /// Moves the lanes' counters, and owes the payee the sum. Nothing is written unless all of it fits in
    /// the deposit. Returns the counters that moved.
    ///
    /// # Errors
    /// [`FarthingError::DepositExceeded`], [`FarthingError::Overflow`], [`FarthingError::UnknownLane`].
    pub fn debit(&mut self, debits: &[Debit]) -> Result<Vec<LaneDebit>> {
        let total = debits
            .iter()
            .try_fold(BaseUnits::ZERO, |sum, debit| sum.checked_add(debit.owed))
            .ok_or(FarthingError::Overflow)?;
        require!(
            total <= self.header.unspent()?,
            FarthingError::DepositExceeded
        );
        let unpaid = BaseUnits(self.header.unpaid)
            .checked_add(total)
            .ok_or(FarthingError::Overflow)?;
        let mut moved = Vec::with_capacity(debits.len());
        for debit in debits.iter().filter(|debit| debit.owed > BaseUnits::ZERO) {
            let lane = self.lane_mut(debit.lane)?;
            lane.debit(debit.owed)?;
            moved.push(LaneDebit {
                lane: debit.lane.0,
                debited: lane.debited,
            });
        }
        // Cannot exceed the deposit, as was just required.
        self.header.debited += total.0;
        self.header.unpaid = unpaid.0;
        Ok(moved)
    }
}

/// How many lanes there are; more than [`MAX_LANES`] never.
#[must_use]
pub fn lane_count(lanes: &[Lane]) -> u32 {
    u32::try_from(lanes.len()).unwrap_or(u32::MAX)
}

/// Requires at least one new lane, not too many, each of them valid, and room for them.
///
/// # Errors
/// One for each rule.
pub fn validate_new_lanes(new: &[NewLane], existing: usize) -> Result<()> {
    require!(!new.is_empty(), FarthingError::NoLanes);
    require!(
        new.len() <= MAX_LANES_PER_INSTRUCTION,
        FarthingError::TooManyLanes
    );
    require!(
        existing.saturating_add(new.len()) <= MAX_LANES,
        FarthingError::ChannelFull
    );
    new.iter().try_for_each(NewLane::validate)
}
