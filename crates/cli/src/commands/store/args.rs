//! Arguments of `farthing store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The verifier's ledger on disk. No command changes a store, and none works while a verifier runs.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show what is in a store
    Inspect(WhichStore),
    /// Write every record as a line of JSON
    Export(ExportArgs),
    /// Make a new store from an export
    Import(ImportArgs),
    /// Read everything and report what no verifier would have written; exit status 1 if there is any
    Check(WhichStore),
}

/// Which store.
#[derive(Debug, Args)]
pub struct WhichStore {
    /// Database file of the ledger, by default the configuration's
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Configuration file of the verifier, by default farthing.toml if there is one
    #[arg(long, env = "FARTHING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `store export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The store
    #[command(flatten)]
    pub which: WhichStore,
    /// New file to write to, by default stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `store import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The export
    #[arg(value_name = "FILE")]
    pub export: PathBuf,
    /// Database file to make; nothing may be there
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,
}
