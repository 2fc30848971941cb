//! The voucher: "lane L may be debited up to N in total", 47 bytes that a lane's key signs.
//!
//! ```text
//! offset size
//! 0      3    magic      46 56 01           'F' 'V' version 1
//! 3      32   domain     the channel's domain hash
//! 35     2    lane       u16 LE
//! 37     2    generation u16 LE
//! 39     8    authorized u64 LE, cumulative ceiling of the lane in base units
//! ```
//! R (32) + A (32) + 47 + padding is exactly one SHA-512 block, which is what makes the check cheap
//! inside the program. The layout is fixed: another one needs another magic.

use crate::{BaseUnits, DecodeError, Domain, Generation, LaneIndex, array_at};

/// `F`, `V`, version 1.
pub const VOUCHER_MAGIC: [u8; 3] = [0x46, 0x56, 0x01];
/// Length of a voucher in bytes.
pub const VOUCHER_LENGTH: usize = 47;

const DOMAIN: usize = 3;
const LANE: usize = 35;
const GENERATION: usize = 37;
const AUTHORIZED: usize = 39;

const _: () = assert!(AUTHORIZED + size_of::<u64>() == VOUCHER_LENGTH);
/// One SHA-512 block holds R, A, the voucher, the 0x80 byte and the 16-byte length.
const _: () = assert!(32 + 32 + VOUCHER_LENGTH + 1 + 16 == 128);

/// A cumulative ceiling for one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Voucher {
    /// The channel's domain hash.
    pub domain: Domain,
    /// The lane that may be debited.
    pub lane: LaneIndex,
    /// The lane's generation; older generations' vouchers are worthless.
    pub generation: Generation,
    /// What the lane may be debited in total since the channel was opened.
    pub authorized: BaseUnits,
}

impl Voucher {
    /// The bytes that the lane's key signs.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; VOUCHER_LENGTH] {
        let mut bytes = [0; VOUCHER_LENGTH];
        bytes[..DOMAIN].copy_from_slice(&VOUCHER_MAGIC);
        bytes[DOMAIN..LANE].copy_from_slice(&self.domain.0);
        bytes[LANE..GENERATION].copy_from_slice(&self.lane.0.to_le_bytes());
        bytes[GENERATION..AUTHORIZED].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[AUTHORIZED..].copy_from_slice(&self.authorized.0.to_le_bytes());
        bytes
    }

    /// Reads a voucher back.
    ///
    /// # Errors
    /// [`DecodeError`] if the length or the magic differs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != VOUCHER_LENGTH {
            return Err(DecodeError::Length);
        }
        if bytes[..DOMAIN] != VOUCHER_MAGIC {
            return Err(DecodeError::Magic);
        }
        Ok(Self {
            domain: Domain(array_at(bytes, DOMAIN)),
            lane: LaneIndex(u16::from_le_bytes(array_at(bytes, LANE))),
            generation: Generation(u16::from_le_bytes(array_at(bytes, GENERATION))),
            authorized: BaseUnits(u64::from_le_bytes(array_at(bytes, AUTHORIZED))),
        })
    }
}
