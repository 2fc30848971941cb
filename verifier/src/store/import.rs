//! A new store from an export: there is the whole of it, or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use super::export::{ExportSummary, ReadError, read_export};
use super::{Record, RedbStore, Store, StoreError, StoredState};

/// The most records of one commit.
const MAX_RECORDS_PER_COMMIT: usize = 65_536;
/// What the name of a store ends with until it is whole.
const UNFINISHED: &str = "importing";

/// Why there is no new store. Nothing was left behind unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export.
    #[error(transparent)]
    Export(#[from] ReadError),
    /// There is something at the new store's path.
    #[error("{} exists already: an import makes a new store, and replaces none", .0.display())]
    Exists(PathBuf),
    /// Another import did not end, or runs.
    #[error("{} is left from an import that did not end: remove it unless one is running", .0.display())]
    Unfinished(PathBuf),
    /// The file system.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written does not read as what was meant.
    #[error("the new store does not hold what the export does, its disk cannot be trusted")]
    NotTheSame,
}

/// Makes a store at `path` from an export. It is written beside it, read again and compared, and only
/// then gets its name, so that no verifier ever opens a part of it.
///
/// # Errors
/// [`ImportError`]; there is no new store.
pub fn import(input: impl BufRead, path: &Path) -> Result<ExportSummary, ImportError> {
    if path.symlink_metadata().is_ok() {
        return Err(ImportError::Exists(path.to_owned()));
    }
    let (state, summary) = read_export(input)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".");
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&unfinished);
    match created {
        Ok(file) => drop(file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(ImportError::Unfinished(unfinished));
        }
        Err(error) => return Err(failed(&unfinished, error)),
    }
    let result = write(&state, &unfinished).and_then(|()| publish(&unfinished, path));
    let removed = fs::remove_file(&unfinished).map_err(|error| failed(&unfinished, error));
    result.and(removed)?;
    Ok(summary)
}

fn failed(path: &Path, error: io::Error) -> ImportError {
    ImportError::File {
        path: path.to_owned(),
        error,
    }
}

fn write(state: &StoredState, path: &Path) -> Result<(), ImportError> {
    let mut store = RedbStore::open(path)?;
    let records = records(state);
    // Its age is not known, so nothing is served from it before it was compared with the chain.
    store.commit(&[Record::Imported])?;
    for chunk in records.chunks(MAX_RECORDS_PER_COMMIT) {
        store.commit(chunk)?;
    }
    drop(store);
    let file = File::open(path).and_then(|file| file.sync_all());
    file.map_err(|error| failed(path, error))?;
    let mut written = RedbStore::open_read_only(path)?.load()?;
    if !std::mem::take(&mut written.is_imported) || written != *state {
        return Err(ImportError::NotTheSame);
    }
    Ok(())
}

/// Gives the store its name. A second name for the file, unlike renaming it, replaces nothing.
fn publish(unfinished: &Path, path: &Path) -> Result<(), ImportError> {
    fs::hard_link(unfinished, path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ImportError::Exists(path.to_owned()),
        _ => failed(path, error),
    })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| failed(directory, error))
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
