//! Fills a new store from an export.

use std::io::{self, BufRead};
use std::path::PathBuf;

use super::export::{ExportSummary, ReadError, read_export};
use super::{Store, StoreError};
use crate::record::{Record, StoredState};

/// The most records of one commit.
const MAX_RECORDS_PER_COMMIT: usize = 65_536;

/// Why an import failed. Nothing was left behind unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export cannot be read.
    #[error(transparent)]
    Export(#[from] ReadError),
    /// The new store's path exists already.
    #[error("{} exists already: an import makes a new store, and replaces none", .0.display())]
    Exists(PathBuf),
    /// Another import is running, or was interrupted.
    #[error("{} is left from an import that did not end: remove it unless one is running", .0.display())]
    Unfinished(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The new store cannot be opened, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has records already.
    #[error("the store is not empty: import into a new store")]
    NotEmpty,
    /// The store, read back, differs from the export.
    #[error(
        "the new store, read back, differs from the export: its disk cannot be trusted, use another one"
    )]
    NotTheSame,
}

/// Fills a new store from an export, opens it again and compares it with the export. `open` opens the store, which must
/// be empty at first.
///
/// # Errors
/// [`ImportError`]; what was written is marked as imported, so that no verifier serves from it.
pub fn import(
    input: impl BufRead,
    mut open: impl FnMut() -> Result<Box<dyn Store>, StoreError>,
) -> Result<ExportSummary, ImportError> {
    let (state, summary) = read_export(input)?;
    let mut store = open()?;
    if store.load()? != StoredState::default() {
        return Err(ImportError::NotEmpty);
    }
    // The export's age is not known, so nothing is served from the store before it was compared with the chain.
    store.commit(&[Record::Imported])?;
    for chunk in records(&state).chunks(MAX_RECORDS_PER_COMMIT) {
        store.commit(chunk)?;
    }
    drop(store);
    let mut written = open()?.load()?;
    if !std::mem::take(&mut written.is_imported) || written != state {
        return Err(ImportError::NotTheSame);
    }
    Ok(summary)
}

fn records(state: &StoredState) -> Vec<Record> {
    let channels = state
        .channels
        .iter()
        .map(|channel| Record::Channel(channel.domain, channel.address));
    let lanes = state
        .lanes
        .iter()
        .map(|(key, lane)| Record::Lane(*key, *lane));
    let used = state
        .used
        .iter()
        .map(|(key, value)| Record::Used(*key, *value));
    let reservations = state
        .reservations
        .iter()
        .map(|(id, reservation)| Record::Reservation(*id, *reservation));
    let settlements = state.settlements.iter().cloned().map(Record::Settlement);
    let outcomes = state
        .outcomes
        .iter()
        .map(|(id, outcome)| Record::Outcome(*id, *outcome));
    channels
        .chain(lanes)
        .chain(used)
        .chain(reservations)
        .chain(settlements)
        .chain(outcomes)
        .collect()
}
