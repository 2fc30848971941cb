//! Fuzz target for exports of a store, from which a provider restores, and which may have been copied and edited.
//!
//! An export is read completely or refused with a printable error that names one of its lines. What was read is
//! exported and read again as the same state, and exporting that again gives the same bytes.

use farthing_verifier::record::StoredState;
use farthing_verifier::store::{Counts, ReadError, export, read_export};
use sha2::{Digest, Sha256};
use solana_sdk::hash::Hash;

/// Bit of the first byte that is set if the rest has no last line; a line with the right hash is then appended.
pub const UNSEALED: u8 = 1;

/// The first byte says what follows.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let text = text(selector, data);
    match read_export(text.as_slice()) {
        Ok((state, summary)) => {
            assert_eq!(summary.counts, Counts::of(&state));
            let written = written(&state);
            let (again, _) = read_export(written.as_slice()).expect("what is written can be read");
            assert_eq!(again, state);
            assert_eq!(self::written(&again), written);
        }
        Err(error) => {
            let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let named = match &error {
                ReadError::Line { line, .. }
                | ReadError::LineTooLong { line }
                | ReadError::OutOfOrder { line } => *line,
                _ => 1,
            };
            assert!((1..=lines).contains(&named), "{error}");
        }
    }
}

/// The export in an input, with the right last line appended if it is unsealed.
#[must_use]
pub fn text(selector: u8, data: &[u8]) -> Vec<u8> {
    if selector & UNSEALED == 0 {
        data.to_vec()
    } else {
        sealed(data)
    }
}

fn written(state: &StoredState) -> Vec<u8> {
    let mut text = Vec::new();
    export(state, &mut text).expect("memory takes everything");
    text
}

fn sealed(lines: &[u8]) -> Vec<u8> {
    let mut text = lines.to_vec();
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let hash = Hash::new_from_array(Sha256::digest(&text).into());
    text.extend_from_slice(format!("{{\"sha256\":\"{hash}\"}}\n").as_bytes());
    text
}
