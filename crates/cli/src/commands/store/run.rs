//! Implementation of `farthing store`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use farthing_verifier::record::StoredState;
use farthing_verifier::store::{
    ExportSummary, RedbStore, Store, StoreError, audit, export, import_file,
};

use super::report::{Checked, Exported, Imported, Inspected};
use crate::commands::store::args::StoreCommand;
use crate::commands::store::args::{ExportArgs, ImportArgs, WhichStore};
use crate::error::CliError;
use crate::output::Output;
use crate::settings::Settings;

/// Runs `farthing store`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub fn run(command: StoreCommand, output: Output) -> Result<(), CliError> {
    match command {
        StoreCommand::Inspect(which) => inspect(&which, output),
        StoreCommand::Export(args) => write_export(args, output),
        StoreCommand::Import(args) => read_export(&args, output),
        StoreCommand::Check(which) => check(&which, output),
    }
}

fn inspect(which: &WhichStore, output: Output) -> Result<(), CliError> {
    let (path, mut store) = open(which)?;
    let state = store.load().map_err(failed)?;
    let length = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    output.report(&Inspected::new(&path, length.len(), &state))
}

fn write_export(args: ExportArgs, output: Output) -> Result<(), CliError> {
    let (store_path, mut store) = open(&args.which)?;
    let state = store.load().map_err(failed)?;
    let Some(path) = args.output else {
        let mut stdout = BufWriter::new(io::stdout().lock());
        return match export(&state, &mut stdout) {
            Ok(_) => Ok(()),
            Err(error) => Err(CliError::failed(format!("cannot write to stdout: {error}"))),
        };
    };
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CliError::failed(format!(
            "{} exists already: name a new file with --output",
            path.display()
        )),
        _ => unwritable(&path, &error),
    })?;
    let summary = export_to(&state, file).map_err(|error| {
        // Failing to remove it is harmless: an import recognises an incomplete export. Report the original error.
        let _ = fs::remove_file(&path);
        unwritable(&path, &error)
    })?;
    output.report(&Exported::new(&store_path, &path, &summary))
}

fn export_to(state: &StoredState, file: File) -> io::Result<ExportSummary> {
    let mut buffered = BufWriter::new(file);
    let summary = export(state, &mut buffered)?;
    buffered.get_ref().sync_all()?;
    Ok(summary)
}

fn read_export(args: &ImportArgs, output: Output) -> Result<(), CliError> {
    let file = File::open(&args.export).map_err(|error| unreadable(&args.export, &error))?;
    let summary = import_file(BufReader::new(file), &args.store)
        .map_err(|error| CliError::failed(error.to_string()))?;
    output.report(&Imported::new(&args.store, &summary))
}

fn check(which: &WhichStore, output: Output) -> Result<(), CliError> {
    let (path, mut store) = open(which)?;
    let (state, findings) = audit(store.as_mut()).map_err(failed)?;
    output.report(&Checked::new(&path, &state, &findings))?;
    match findings.len() {
        0 => Ok(()),
        count => Err(CliError::failed(format!(
            "{count} of the records in {} are inconsistent, which a working verifier never writes: keep the file, \
             and do not serve from it until you know the cause",
            path.display()
        ))),
    }
}

/// Opens the store read-only.
fn open(which: &WhichStore) -> Result<(PathBuf, Box<dyn Store>), CliError> {
    let path = match &which.store {
        Some(path) => path.clone(),
        None => Settings::store_path(which.config.as_deref())?,
    };
    if !path.exists() {
        return Err(CliError::usage(format!(
            "there is no store at {}: give its path with --store, or its configuration with --config",
            path.display()
        )));
    }
    let store = RedbStore::open_read_only(&path).map_err(failed)?;
    Ok((path, Box::new(store)))
}

fn failed(error: StoreError) -> CliError {
    CliError::failed(error.to_string())
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::usage(format!("cannot read {}: {error}", path.display()))
}

fn unwritable(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("cannot write {}: {error}", path.display()))
}
