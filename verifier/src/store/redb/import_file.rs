//! Creates a new database file from an export: complete, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use super::RedbStore;
use crate::store::import::{ImportError, import};
use crate::store::{ExportSummary, Store};

/// Suffix of the file's name until the import is complete.
const UNFINISHED: &str = "importing";

/// Creates a store at `path` from an export. It is written to a file beside `path`, read back and compared, and only
/// then gets its name, so that no verifier ever opens an incomplete store.
///
/// # Errors
/// [`ImportError`]; no store was created.
pub fn import_file(input: impl BufRead, path: &Path) -> Result<ExportSummary, ImportError> {
    if path.symlink_metadata().is_ok() {
        return Err(ImportError::Exists(path.to_owned()));
    }
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
    let result = fill(input, &unfinished).and_then(|summary| {
        publish(&unfinished, path)?;
        Ok(summary)
    });
    let removed = fs::remove_file(&unfinished).map_err(|error| failed(&unfinished, error));
    result.and_then(|summary| removed.map(|()| summary))
}

fn fill(input: impl BufRead, path: &Path) -> Result<ExportSummary, ImportError> {
    let open = || RedbStore::open(path).map(|store| Box::new(store) as Box<dyn Store>);
    let summary = import(input, open)?;
    let file = File::open(path).and_then(|file| file.sync_all());
    file.map_err(|error| failed(path, error))?;
    Ok(summary)
}

fn failed(path: &Path, error: io::Error) -> ImportError {
    ImportError::File {
        path: path.to_owned(),
        error,
    }
}

/// Gives the store its name, by a hard link: unlike renaming, it never replaces an existing file.
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
