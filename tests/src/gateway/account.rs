//! Builds accounts as the program would have written them, in the layouts of `farthing_protocol::layout`.

use farthing_chain::{PROGRAM_ID, Token};
use farthing_protocol::layout::{
    CHANNEL_DISCRIMINATOR, CHANNEL_HEADER_LENGTH, ESCROW_DISCRIMINATOR, LANE_LENGTH,
    LAYOUT_VERSION, NEVER,
};
use solana_sdk::account::Account;
use solana_sdk::pubkey::Pubkey;

/// Offset of a lane's counter in its lane.
const LANE_DEBITED: usize = 40;
/// Offset of the channel's counter.
const CHANNEL_DEBITED: usize = 160;

/// A lane to be written.
#[derive(Debug, Clone, Copy)]
pub struct LaneSpec {
    /// Its key.
    pub signer: [u8; 32],
    /// Its cap in base units.
    pub cap: u64,
    /// Its counter in base units.
    pub debited: u64,
    /// Whether a revocation was requested.
    pub revoked: bool,
    /// Its generation.
    pub generation: u16,
}

/// A channel to be written.
#[derive(Debug, Clone)]
pub struct ChannelSpec {
    /// The program that owns the account.
    pub owner: Pubkey,
    /// Its escrow.
    pub escrow: Pubkey,
    /// Its payee.
    pub payee: Pubkey,
    /// Its settler.
    pub settler: Pubkey,
    /// Its grace.
    pub grace_seconds: u32,
    /// Its deposit in base units.
    pub deposit: u64,
    /// Whether a close was requested.
    pub closing: bool,
    /// The slot of its domain.
    pub opened_slot: u64,
    /// Its domain.
    pub domain: [u8; 32],
    /// Its lanes.
    pub lanes: Vec<LaneSpec>,
}

impl ChannelSpec {
    /// The account.
    #[must_use]
    pub fn account(&self) -> Account {
        let mut data = vec![0; CHANNEL_HEADER_LENGTH];
        data[..8].copy_from_slice(&CHANNEL_DISCRIMINATOR);
        data[8] = LAYOUT_VERSION;
        data[12..16].copy_from_slice(&self.grace_seconds.to_le_bytes());
        data[24..56].copy_from_slice(self.escrow.as_ref());
        data[56..88].copy_from_slice(self.payee.as_ref());
        data[88..120].copy_from_slice(self.settler.as_ref());
        data[152..160].copy_from_slice(&self.deposit.to_le_bytes());
        let debited: u64 = self.lanes.iter().map(|lane| lane.debited).sum();
        data[160..168].copy_from_slice(&debited.to_le_bytes());
        let requested = if self.closing { 1 } else { NEVER };
        data[176..184].copy_from_slice(&requested.to_le_bytes());
        data[192..200].copy_from_slice(&self.opened_slot.to_le_bytes());
        data[200..232].copy_from_slice(&self.domain);
        for lane in &self.lanes {
            let mut bytes = [0; LANE_LENGTH];
            bytes[..32].copy_from_slice(&lane.signer);
            bytes[32..40].copy_from_slice(&lane.cap.to_le_bytes());
            bytes[40..48].copy_from_slice(&lane.debited.to_le_bytes());
            let revoked = if lane.revoked { 1 } else { NEVER };
            bytes[48..56].copy_from_slice(&revoked.to_le_bytes());
            bytes[56..58].copy_from_slice(&lane.generation.to_le_bytes());
            data.extend_from_slice(&bytes);
        }
        account(self.owner, data)
    }
}

/// An escrow that holds `token`.
#[must_use]
pub fn escrow_account(token: &Token) -> Account {
    let mut data = vec![0; 320];
    data[..8].copy_from_slice(&ESCROW_DISCRIMINATOR);
    data[8] = LAYOUT_VERSION;
    // After version, two bumps and the owner.
    data[43..75].copy_from_slice(token.mint.as_ref());
    data[75..107].copy_from_slice(token.program.as_ref());
    account(PROGRAM_ID, data)
}

fn account(owner: Pubkey, data: Vec<u8>) -> Account {
    Account {
        lamports: 1,
        data,
        owner,
        executable: false,
        rent_epoch: 0,
    }
}

/// A lane's counter in a channel's data.
#[must_use]
pub fn lane_debited(data: &[u8], lane: u16) -> u64 {
    read(data, lane_offset(lane))
}

/// Debits a lane in a channel's data, as `settle` does. A stale claim changes nothing.
pub fn debit_lane(data: &mut [u8], lane: u16, debit_to: u64) {
    let offset = lane_offset(lane);
    let owed = debit_to.saturating_sub(read(data, offset));
    for offset in [offset, CHANNEL_DEBITED] {
        let debited = read(data, offset) + owed;
        data[offset..offset + 8].copy_from_slice(&debited.to_le_bytes());
    }
}

fn lane_offset(lane: u16) -> usize {
    CHANNEL_HEADER_LENGTH + usize::from(lane) * LANE_LENGTH + LANE_DEBITED
}

fn read(data: &[u8], offset: usize) -> u64 {
    let bytes = data[offset..offset + 8].try_into();
    u64::from_le_bytes(bytes.expect("eight bytes are eight bytes"))
}
