//! The state query: a lane's key asks a verifier for the lane's state.
//!
//! ```text
//! 46 51 01 || domain[32] || lane u16 LE || generation u16 LE || unix_seconds u64 LE
//! ```
//! 47 bytes, valid for 60 s around `unix_seconds`. The layout is fixed. Its magic differs from the
//! voucher's, so neither can stand for the other.

use crate::{DecodeError, Domain, Generation, LaneIndex, array_at};

/// `F`, `Q`, version 1.
pub const STATE_QUERY_MAGIC: [u8; 3] = [0x46, 0x51, 0x01];
/// Length of a state query in bytes.
pub const STATE_QUERY_LENGTH: usize = 47;
/// How far `unix_seconds` may be from the verifier's clock, in seconds.
pub const STATE_QUERY_WINDOW_SECONDS: u64 = 60;

/// A question about one lane, asked at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateQuery {
    /// The channel's domain hash.
    pub domain: Domain,
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// When the query was signed.
    pub unix_seconds: u64,
}

impl StateQuery {
    /// The bytes that the lane's key signs.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STATE_QUERY_LENGTH] {
        let mut bytes = [0; STATE_QUERY_LENGTH];
        bytes[..3].copy_from_slice(&STATE_QUERY_MAGIC);
        bytes[3..35].copy_from_slice(&self.domain.0);
        bytes[35..37].copy_from_slice(&self.lane.0.to_le_bytes());
        bytes[37..39].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[39..].copy_from_slice(&self.unix_seconds.to_le_bytes());
        bytes
    }

    /// Reads a state query back.
    ///
    /// # Errors
    /// [`DecodeError`] if the length or the magic differs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != STATE_QUERY_LENGTH {
            return Err(DecodeError::Length);
        }
        if bytes[..3] != STATE_QUERY_MAGIC {
            return Err(DecodeError::Magic);
        }
        Ok(Self {
            domain: Domain(array_at(bytes, 3)),
            lane: LaneIndex(u16::from_le_bytes(array_at(bytes, 35))),
            generation: Generation(u16::from_le_bytes(array_at(bytes, 37))),
            unix_seconds: u64::from_le_bytes(array_at(bytes, 39)),
        })
    }

    /// Whether the query was signed within the window around `now_unix_seconds`.
    #[must_use]
    pub fn is_fresh(&self, now_unix_seconds: u64) -> bool {
        self.unix_seconds.abs_diff(now_unix_seconds) <= STATE_QUERY_WINDOW_SECONDS
    }
}
