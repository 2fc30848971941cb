//! The records as text: JSON lines that another version, another store or a person can read.
//!
//! * The first line names the format, its version and how many records of each kind follow.
//! * Every record is a line of its own, ordered as the store orders them: channels, lanes, used values, reservations,
//!   settlements, outcomes, each kind ascending by its key. Every state therefore has exactly one export.
//! * The last line has the SHA-256 of all bytes before it. If it is missing, the export was cut; if it does not match,
//!   the export was changed. It does not prove where an export comes from.
//!
//! Amounts are decimal strings of base units; keys, signatures and hashes are base58, transactions base64. The answers
//! and receipts stored for idempotent retries are not exported: without them an outcome still prevents a second charge,
//! and its receipt is issued anew. What must not live here: access to files, and checks of whether the records are
//! consistent with each other.

mod line;
mod read;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use solana_sdk::hash::Hash;

use line::{Header, Line, lines};

use crate::record::StoredState;

pub use read::{ReadError, read_export};

/// Name of the format.
const FORMAT: &str = "farthing-store";
/// Version of the format. Version 1 had no outcomes and no idempotency keys of reservations; version 2 had no settled
/// amounts; version 3 had no held reservations.
const VERSION: u32 = 4;
/// The oldest version that can be read.
const OLDEST_VERSION: u32 = 1;
/// The most bytes of a line. A settlement with the most claims that fit into a transaction takes a tenth of this.
const MAX_LINE_LENGTH: usize = 256 * 1_024;

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Channels that the ledger knows.
    pub channels: u64,
    /// Lanes, each generation counted separately.
    pub lanes: u64,
    /// Used voucher values.
    pub used: u64,
    /// Requests in flight.
    pub reservations: u64,
    /// Settlements whose outcome is not known yet.
    pub settlements: u64,
    /// Outcomes of requests with an idempotency key.
    #[serde(default)]
    pub outcomes: u64,
}

impl Counts {
    /// Counts the records of a state.
    #[must_use]
    pub fn of(state: &StoredState) -> Self {
        Self {
            channels: state.channels.len() as u64,
            lanes: state.lanes.len() as u64,
            used: state.used.len() as u64,
            reservations: state.reservations.len() as u64,
            settlements: state.settlements.len() as u64,
            outcomes: state.outcomes.len() as u64,
        }
    }

    /// How many records there are of all kinds.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.channels
            + self.lanes
            + self.used
            + self.reservations
            + self.settlements
            + self.outcomes
    }
}

/// The summary of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportSummary {
    /// How many records of each kind it holds.
    pub counts: Counts,
    /// The hash in its last line.
    pub sha256: Hash,
}

/// Writes the state of a store, as [`load`](super::Store::load) returned it.
///
/// # Errors
/// If `output` cannot be written. What was written so far is recognised as incomplete when it is read.
pub fn export(state: &StoredState, output: &mut impl Write) -> io::Result<ExportSummary> {
    let mut hashed = Hashed {
        output,
        hash: Sha256::new(),
    };
    let counts = Counts::of(state);
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        counts,
    };
    hashed.line(&header)?;
    for line in lines(state) {
        hashed.line(&line)?;
    }
    let sha256 = Hash::new_from_array(hashed.hash.clone().finalize().into());
    hashed.line(&Line::Sha256(sha256))?;
    hashed.output.flush()?;
    Ok(ExportSummary { counts, sha256 })
}

struct Hashed<'a, W> {
    output: &'a mut W,
    hash: Sha256,
}

impl<W: Write> Hashed<'_, W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.output.write_all(&text)
    }
}
