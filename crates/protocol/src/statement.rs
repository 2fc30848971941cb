//! The statement: one counter-signature over the totals of many lanes.
//!
//! ```text
//! 46 53 01 || domain[32] || SHA-256( count u16 LE || count x (lane u16 LE, generation u16 LE, debit_to u64 LE) )
//! ```
//! 67 bytes, signed by the escrow's countersigner. The layout is fixed.

use crate::{BaseUnits, Domain, Generation, LaneIndex, Sha256};

/// `F`, `S`, version 1.
pub const STATEMENT_MAGIC: [u8; 3] = [0x46, 0x53, 0x01];
/// Length of a statement in bytes.
pub const STATEMENT_LENGTH: usize = 67;
/// Length of one hashed entry in bytes.
pub const STATEMENT_ENTRY_LENGTH: usize = 12;
/// The most lanes that one statement may cover; more than a transaction can carry.
pub const MAX_STATEMENT_ENTRIES: usize = 128;

/// The total that one lane may be debited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatementEntry {
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// Its cumulative debit.
    pub debit_to: BaseUnits,
}

impl StatementEntry {
    fn to_bytes(self) -> [u8; STATEMENT_ENTRY_LENGTH] {
        let mut bytes = [0; STATEMENT_ENTRY_LENGTH];
        bytes[..2].copy_from_slice(&self.lane.0.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[4..].copy_from_slice(&self.debit_to.0.to_le_bytes());
        bytes
    }
}

/// Why entries are not a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementError {
    /// No entry at all.
    Empty,
    /// More than [`MAX_STATEMENT_ENTRIES`].
    TooManyEntries,
    /// Lanes are not strictly ascending.
    LanesNotAscending,
}

impl core::fmt::Display for StatementError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "statement has no entry",
            Self::TooManyEntries => "statement has more entries than its maximum",
            Self::LanesNotAscending => "statement lanes are not strictly ascending",
        })
    }
}

impl core::error::Error for StatementError {}

/// The bytes that the countersigner signs.
///
/// # Errors
/// [`StatementError`] if there is no entry, too many, or lanes are not strictly ascending.
pub fn statement_bytes(
    sha256: Sha256,
    domain: &Domain,
    entries: &[StatementEntry],
) -> Result<[u8; STATEMENT_LENGTH], StatementError> {
    if entries.is_empty() {
        return Err(StatementError::Empty);
    }
    if entries.len() > MAX_STATEMENT_ENTRIES {
        return Err(StatementError::TooManyEntries);
    }
    if entries.windows(2).any(|pair| pair[0].lane >= pair[1].lane) {
        return Err(StatementError::LanesNotAscending);
    }
    let mut hashed = [0; 2 + MAX_STATEMENT_ENTRIES * STATEMENT_ENTRY_LENGTH];
    let count = u16::try_from(entries.len()).expect("bounded by MAX_STATEMENT_ENTRIES");
    hashed[..2].copy_from_slice(&count.to_le_bytes());
    let mut length = 2;
    for entry in entries {
        hashed[length..length + STATEMENT_ENTRY_LENGTH].copy_from_slice(&entry.to_bytes());
        length += STATEMENT_ENTRY_LENGTH;
    }
    let digest = sha256(&[&hashed[..length]]);

    let mut bytes = [0; STATEMENT_LENGTH];
    bytes[..3].copy_from_slice(&STATEMENT_MAGIC);
    bytes[3..35].copy_from_slice(&domain.0);
    bytes[35..].copy_from_slice(&digest);
    Ok(bytes)
}
