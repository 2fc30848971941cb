//! Events: what happened, for those who follow along.
//!
//! Every change of state emits one, numbered without gaps within the life of its escrow, with the slot, the
//! time and the balances afterwards. Logs can be cut off or lost, so the accounts stay the authority: a gap
//! in the numbers says that an account must be read again. A number may repeat only after the escrow was
//! closed and created anew.

use anchor_lang::prelude::*;
use farthing_protocol::deadline::ChainTime;

use crate::state::{Channel, Escrow};

/// What every event begins with. Amounts are base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AnchorSerialize, AnchorDeserialize)]
pub struct Entry {
    /// Whose number it is.
    pub escrow: Pubkey,
    /// Number of the event, from zero.
    pub sequence: u64,
    /// Slot of the transaction.
    pub slot: u64,
    /// The chain's clock, in Unix seconds.
    pub unix_timestamp: i64,
    /// Locked in channels, afterwards.
    pub allocated: u64,
    /// What the manager may still put into channels, afterwards.
    pub manager_allowance: u64,
}

impl Entry {
    /// Takes the escrow's next number. To be called last, so that the balances are those afterwards.
    ///
    /// # Errors
    /// `Overflow`, after more events than slots can bring.
    pub fn next(escrow: &mut Account<'_, Escrow>, now: ChainTime) -> Result<Self> {
        Ok(Self {
            escrow: escrow.key(),
            sequence: escrow.next_event()?,
            slot: now.slot,
            unix_timestamp: now.unix_timestamp,
            allocated: escrow.allocated,
            manager_allowance: escrow.manager_allowance,
        })
    }
}

/// A channel's balances afterwards, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AnchorSerialize, AnchorDeserialize)]
pub struct ChannelBalances {
    /// The channel.
    pub channel: Pubkey,
    /// Locked for the payee since it was opened.
    pub deposit: u64,
    /// The sum of the lanes' counters.
    pub debited: u64,
    /// Debited but not yet received by the payee.
    pub unpaid: u64,
}

impl ChannelBalances {
    /// The balances of the channel at `address`.
    #[must_use]
    pub fn of(address: Pubkey, channel: &Channel) -> Self {
        Self {
            channel: address,
            deposit: channel.deposit,
            debited: channel.debited,
            unpaid: channel.unpaid,
        }
    }
}

/// A lane's counter afterwards, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AnchorSerialize, AnchorDeserialize)]
pub struct LaneDebit {
    /// The lane.
    pub lane: u16,
    /// Its counter.
    pub debited: u64,
}

/// `create_escrow`.
#[event]
#[derive(Debug)]
pub struct EscrowCreated {
    pub entry: Entry,
    pub owner: Pubkey,
    pub mint: Pubkey,
    /// What lay in the vault already.
    pub vault: u64,
}

/// `set_manager`.
#[event]
#[derive(Debug)]
pub struct ManagerSet {
    pub entry: Entry,
    pub manager: Option<Pubkey>,
}

/// `set_countersigner`.
#[event]
#[derive(Debug)]
pub struct CountersignerSet {
    pub entry: Entry,
    pub countersigner: Option<Pubkey>,
}

/// `approve_payee`.
#[event]
#[derive(Debug)]
pub struct PayeeApproved {
    pub entry: Entry,
    pub payee: Pubkey,
    pub max_grace_seconds: u32,
}

/// `revoke_payee`.
#[event]
#[derive(Debug)]
pub struct PayeeRevoked {
    pub entry: Entry,
    pub payee: Pubkey,
}

/// `withdraw`.
#[event]
#[derive(Debug)]
pub struct Withdrawn {
    pub entry: Entry,
    pub amount: u64,
    pub destination: Pubkey,
    /// What the vault holds afterwards.
    pub vault: u64,
}

/// `rescue`.
#[event]
#[derive(Debug)]
pub struct Rescued {
    pub entry: Entry,
    pub mint: Pubkey,
    /// What left the account; a fee of the mint may be kept from it on its way.
    pub amount: u64,
    pub destination: Pubkey,
}

/// `close_escrow`: the last event of an escrow.
#[event]
#[derive(Debug)]
pub struct EscrowClosed {
    pub entry: Entry,
    /// What the owner received.
    pub amount: u64,
}

/// `open_channel`.
#[event]
#[derive(Debug)]
pub struct ChannelOpened {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub payee: Pubkey,
    pub settler: Pubkey,
    pub grace_seconds: u32,
    pub opened_slot: u64,
    pub lanes: u32,
}

/// `fund_channel`.
#[event]
#[derive(Debug)]
pub struct ChannelFunded {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub amount: u64,
}

/// `add_lanes`.
#[event]
#[derive(Debug)]
pub struct LanesAdded {
    pub entry: Entry,
    pub balances: ChannelBalances,
    /// How many the channel has afterwards.
    pub lanes: u32,
}

/// `raise_cap`.
#[event]
#[derive(Debug)]
pub struct CapRaised {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub lane: u16,
    pub cap: u64,
}

/// `revoke_lane`.
#[event]
#[derive(Debug)]
pub struct LaneRevoked {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub lane: u16,
}

/// `rotate_lane`.
#[event]
#[derive(Debug)]
pub struct LaneRotated {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub lane: u16,
    pub generation: u16,
    pub signer: Pubkey,
    pub cap: u64,
}

/// `settle` or `settle_statement`.
#[event]
#[derive(Debug)]
pub struct Settled {
    pub entry: Entry,
    pub balances: ChannelBalances,
    /// What the payee received, earlier debts included.
    pub paid: u64,
    /// What the vault holds afterwards.
    pub vault: u64,
    /// The lanes whose counters moved.
    pub lanes: Vec<LaneDebit>,
}

/// `set_settler`.
#[event]
#[derive(Debug)]
pub struct SettlerSet {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub settler: Pubkey,
}

/// `release`.
#[event]
#[derive(Debug)]
pub struct Released {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub amount: u64,
}

/// `pay_out`.
#[event]
#[derive(Debug)]
pub struct PaidOut {
    pub entry: Entry,
    pub balances: ChannelBalances,
    pub amount: u64,
    /// What the vault holds afterwards.
    pub vault: u64,
}

/// `request_close`.
#[event]
#[derive(Debug)]
pub struct CloseRequested {
    pub entry: Entry,
    pub balances: ChannelBalances,
}

/// `close_channel`.
#[event]
#[derive(Debug)]
pub struct ChannelClosed {
    pub entry: Entry,
    pub balances: ChannelBalances,
    /// What returned to the escrow.
    pub released: u64,
    /// What the payee received.
    pub paid: u64,
    /// What the vault holds afterwards.
    pub vault: u64,
    /// Whether the account is gone; if not, it waits until what is unpaid can be paid.
    pub closed: bool,
}
