//! Layout of the channel account, for those who read it off-chain, and pinned by `const`
//! assertions in the program that writes it.
//!
//! ```text
//! offset size
//! 0      8    discriminator        Anchor's, first 8 bytes of SHA-256("account:Channel")
//! 8      1    version              1
//! 9      1    bump
//! 10     1    payee_token_bump     of the payee's associated token account
//! 11     1    zero
//! 12     4    grace_seconds        u32
//! 16     8    channel_id           u64
//! 24     32   escrow
//! 56     32   payee
//! 88     32   settler
//! 120    32   rent_payer
//! 152    8    deposit              u64 base units
//! 160    8    debited              u64 base units, sum of the lanes' counters
//! 168    8    unpaid               u64 base units, debited but not yet received by the payee
//! 176    8    close_requested_at   i64 Unix seconds, NEVER while open
//! 184    8    close_requested_slot u64
//! 192    8    opened_slot          u64
//! 200    32   domain
//! 232    64   lane 0, then lane 1, ...
//!
//! a lane: 0 signer[32], 32 cap u64, 40 debited u64, 48 revoked_at i64 (NEVER unless revoked),
//!         56 generation u16, 58 revoked_slot u48
//! ```
//! All integers are little-endian.

use core::fmt;

use crate::deadline::{ChainTime, grace_is_over};
use crate::{BaseUnits, Domain, Generation, LaneIndex, array_at};

/// The timestamp of what was never requested. No grace added to it is ever over.
pub const NEVER: i64 = i64::MAX;
/// Version of all account layouts.
pub const LAYOUT_VERSION: u8 = 1;

/// First 8 bytes of an escrow account.
pub const ESCROW_DISCRIMINATOR: [u8; 8] = [31, 213, 123, 187, 186, 22, 218, 155];
/// First 8 bytes of an approval account.
pub const APPROVAL_DISCRIMINATOR: [u8; 8] = [233, 9, 153, 49, 11, 222, 59, 130];
/// First 8 bytes of a channel account.
pub const CHANNEL_DISCRIMINATOR: [u8; 8] = [49, 159, 99, 106, 220, 87, 219, 88];

/// Where the lanes of a channel account begin.
pub const CHANNEL_HEADER_LENGTH: usize = 232;
/// Length of a lane.
pub const LANE_LENGTH: usize = 64;

/// Why account data is not a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutError {
    /// Another account type.
    Discriminator,
    /// A layout that this version does not know.
    Version(u8),
    /// Not a header and a whole number of lanes.
    Length(usize),
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discriminator => f.write_str("account is not a channel"),
            Self::Version(version) => write!(f, "channel layout {version} is not known"),
            Self::Length(length) => write!(f, "{length} bytes are not a channel"),
        }
    }
}

impl core::error::Error for LayoutError {}

/// A channel account's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelHeader {
    /// Bump of the channel's address.
    pub bump: u8,
    /// Bump of the payee's associated token account.
    pub payee_token_bump: u8,
    /// Seconds, and slots, between a request to close or revoke and its effect.
    pub grace_seconds: u32,
    /// Distinguishes channels of one escrow to one payee.
    pub channel_id: u64,
    /// The escrow that the deposit belongs to.
    pub escrow: [u8; 32],
    /// The wallet that earns.
    pub payee: [u8; 32],
    /// The payee's hot key.
    pub settler: [u8; 32],
    /// Who gets the rent back.
    pub rent_payer: [u8; 32],
    /// Locked for the payee.
    pub deposit: BaseUnits,
    /// The sum of the lanes' counters.
    pub debited: BaseUnits,
    /// Debited but not yet received by the payee.
    pub unpaid: BaseUnits,
    /// When the close was requested; its timestamp is [`NEVER`] while the channel is open.
    pub close_requested: ChainTime,
    /// The slot that is part of the domain.
    pub opened_slot: u64,
    /// What vouchers of this incarnation are bound to.
    pub domain: Domain,
}

impl ChannelHeader {
    /// Reads the header of a channel account.
    ///
    /// # Errors
    /// [`LayoutError`] if `data` is not a channel account of a known layout.
    pub fn decode(data: &[u8]) -> Result<Self, LayoutError> {
        if data.len() < CHANNEL_HEADER_LENGTH
            || !(data.len() - CHANNEL_HEADER_LENGTH).is_multiple_of(LANE_LENGTH)
        {
            return Err(LayoutError::Length(data.len()));
        }
        if data[..8] != CHANNEL_DISCRIMINATOR {
            return Err(LayoutError::Discriminator);
        }
        if data[8] != LAYOUT_VERSION {
            return Err(LayoutError::Version(data[8]));
        }
        let u64_at = |offset| u64::from_le_bytes(array_at(data, offset));
        Ok(Self {
            bump: data[9],
            payee_token_bump: data[10],
            grace_seconds: u32::from_le_bytes(array_at(data, 12)),
            channel_id: u64_at(16),
            escrow: array_at(data, 24),
            payee: array_at(data, 56),
            settler: array_at(data, 88),
            rent_payer: array_at(data, 120),
            deposit: BaseUnits(u64_at(152)),
            debited: BaseUnits(u64_at(160)),
            unpaid: BaseUnits(u64_at(168)),
            close_requested: ChainTime {
                unix_timestamp: i64::from_le_bytes(array_at(data, 176)),
                slot: u64_at(184),
            },
            opened_slot: u64_at(192),
            domain: Domain(array_at(data, 200)),
        })
    }

    /// Whether a close was requested, or the channel is closed but for what is unpaid.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.close_requested.unix_timestamp != NEVER
    }
}

/// One agent's counter in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneState {
    /// The key that signs this generation's vouchers.
    pub signer: [u8; 32],
    /// The most that the lane may be debited in total.
    pub cap: BaseUnits,
    /// What the lane was debited so far.
    pub debited: BaseUnits,
    /// When the revocation was requested; its timestamp is [`NEVER`] unless it was.
    pub revoked: ChainTime,
    /// How often the signer was replaced.
    pub generation: Generation,
}

impl LaneState {
    /// Whether a revocation was requested, whether or not its grace is over.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked.unix_timestamp != NEVER
    }

    /// Whether the revocation took effect.
    #[must_use]
    pub fn revocation_is_effective(&self, grace_seconds: u32, now: ChainTime) -> bool {
        grace_is_over(self.revoked, grace_seconds, now)
    }

    fn decode(data: &[u8]) -> Self {
        let mut slot = [0; 8];
        slot[..6].copy_from_slice(&data[58..64]);
        Self {
            signer: array_at(data, 0),
            cap: BaseUnits(u64::from_le_bytes(array_at(data, 32))),
            debited: BaseUnits(u64::from_le_bytes(array_at(data, 40))),
            revoked: ChainTime {
                unix_timestamp: i64::from_le_bytes(array_at(data, 48)),
                slot: u64::from_le_bytes(slot),
            },
            generation: Generation(u16::from_le_bytes(array_at(data, 56))),
        }
    }
}

/// The lanes of a channel account in ascending order; none if `data` is shorter than a header.
pub fn lanes(data: &[u8]) -> impl ExactSizeIterator<Item = LaneState> + '_ {
    data.get(CHANNEL_HEADER_LENGTH..)
        .unwrap_or_default()
        .chunks_exact(LANE_LENGTH)
        .map(LaneState::decode)
}

/// One lane of a channel account, or `None` if there is no such lane.
#[must_use]
pub fn lane(data: &[u8], index: LaneIndex) -> Option<LaneState> {
    let start = CHANNEL_HEADER_LENGTH + usize::from(index.0) * LANE_LENGTH;
    data.get(start..start + LANE_LENGTH).map(LaneState::decode)
}
