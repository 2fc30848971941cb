//! Reads an export: the whole of it, or an error that names the line.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};
use solana_sdk::hash::Hash;

use super::line::{Header, Kind, Line};
use super::{Counts, ExportSummary, FORMAT, MAX_LINE_LENGTH, OLDEST_VERSION, VERSION};
use crate::record::StoredState;

/// Why an export cannot be read. Nothing of it is used then.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input cannot be read.
    #[error("cannot read the export: {0}")]
    Read(#[from] io::Error),
    /// The input is not an export.
    #[error("this is not an export of a store")]
    NotAnExport,
    /// An export of another version.
    #[error(
        "the export has version {found} of its format, this version of farthing reads {OLDEST_VERSION} to {VERSION}"
    )]
    UnknownVersion {
        /// Its version.
        found: u32,
    },
    /// A line is not what this version writes.
    #[error("line {line} of the export: {reason}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line that is longer than any record.
    #[error("line {line} of the export is longer than any record")]
    LineTooLong {
        /// The line, from 1.
        line: u64,
    },
    /// A record that is in the export twice, or out of order.
    #[error("line {line} of the export is out of order, or repeats the record before it")]
    OutOfOrder {
        /// The line, from 1.
        line: u64,
    },
    /// The export ends before its last line.
    #[error("the export was cut: its last line, with the hash of those before, is missing")]
    Cut,
    /// The export goes on after its last line.
    #[error("something follows the last line of the export")]
    Trailing,
    /// The hash in the last line does not match the lines before it.
    #[error("the export was changed or damaged: its lines do not have the hash in its last line")]
    HashMismatch,
    /// The number of records differs from the counts in the first line.
    #[error("the number of records in the export differs from the counts in its first line")]
    CountMismatch,
}

/// Reads an export and verifies that it is whole.
///
/// # Errors
/// [`ReadError`].
pub fn read_export(input: impl BufRead) -> Result<(StoredState, ExportSummary), ReadError> {
    let mut lines = Lines {
        input,
        hash: Sha256::new(),
        text: Vec::new(),
        number: 0,
    };
    let counts = header(&mut lines)?;
    let mut state = StoredState::default();
    let mut last = None;
    let expected = loop {
        let before = lines.hash.clone();
        if !lines.next()? {
            return Err(ReadError::Cut);
        }
        let line: Line = lines.parse()?;
        if let Line::Sha256(hash) = line {
            if Hash::new_from_array(before.finalize().into()) != hash {
                return Err(ReadError::HashMismatch);
            }
            break hash;
        }
        let place = line.place();
        if place <= last {
            return Err(ReadError::OutOfOrder { line: lines.number });
        }
        last = place;
        line.add_to(&mut state);
    };
    if !lines.input.fill_buf()?.is_empty() {
        return Err(ReadError::Trailing);
    }
    if Counts::of(&state) != counts {
        return Err(ReadError::CountMismatch);
    }
    let sha256 = expected;
    Ok((state, ExportSummary { counts, sha256 }))
}

fn header(lines: &mut Lines<impl BufRead>) -> Result<Counts, ReadError> {
    let is_line = match lines.next() {
        Ok(is_line) => is_line,
        Err(ReadError::Read(error)) => return Err(error.into()),
        Err(_) => false,
    };
    if !is_line {
        return Err(ReadError::NotAnExport);
    }
    // Another version may have other fields in this line, so only these two are read first.
    let kind: Kind = lines.parse().map_err(|_| ReadError::NotAnExport)?;
    if kind.format != FORMAT {
        return Err(ReadError::NotAnExport);
    }
    if !(OLDEST_VERSION..=VERSION).contains(&kind.version) {
        return Err(ReadError::UnknownVersion {
            found: kind.version,
        });
    }
    let header: Header = lines.parse()?;
    Ok(header.counts)
}

struct Lines<R> {
    input: R,
    /// The hash of everything that was read so far.
    hash: Sha256,
    text: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line. `false` if there is none, or only the beginning of one.
    fn next(&mut self) -> Result<bool, ReadError> {
        self.number += 1;
        self.text.clear();
        let mut limited = Read::take(&mut self.input, MAX_LINE_LENGTH as u64);
        limited.read_until(b'\n', &mut self.text)?;
        self.hash.update(&self.text);
        if self.text.last() == Some(&b'\n') {
            return Ok(true);
        }
        if self.text.len() == MAX_LINE_LENGTH {
            return Err(ReadError::LineTooLong { line: self.number });
        }
        Ok(false)
    }

    fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, ReadError> {
        serde_json::from_slice(&self.text).map_err(|error| ReadError::Line {
            line: self.number,
            // Every line is parsed by itself, so that serde always reports line 1.
            reason: error.to_string().replace(" at line 1", ""),
        })
    }
}
