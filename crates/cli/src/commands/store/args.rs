//! Arguments of `farthing store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Inspect, export, import and check the verifier's ledger on disk. No command changes an existing store, and none
/// works while a verifier has it open.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show the contents of a store
    Inspect(WhichStore),
    /// Export a store: write every record as a line of JSON
    Export(ExportArgs),
    /// Create a new store from an export
    Import(ImportArgs),
    /// Read the whole store and report inconsistent records; exit status 1 if there are any
    Check(WhichStore),
}

/// Arguments that select a store.
#[derive(Debug, Args)]
pub struct WhichStore {
    /// Database file of the ledger; by default that of the configuration
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Configuration file of the verifier; by default farthing.toml if it exists
    #[arg(long, env = "FARTHING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `store export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The store
    #[command(flatten)]
    pub which: WhichStore,
    /// New file to write to; by default stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `store import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File with the export
    #[arg(value_name = "FILE")]
    pub export: PathBuf,
    /// Database file to create; it must not exist
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,
}
