//! The on-chain program: what fits in a transaction, and what everything costs.
//!
//! Measured on the committed bytecode in an in-process SVM with mainnet's features. Keys are the same in every
//! run, so that every run has the same figures and a test can compare the committed page with a fresh one.

pub mod document;
pub mod instructions;
pub mod measure;
pub mod published;
pub mod report;
pub mod requirements;

use std::{fs, io};

use clap::Args;

/// Arguments of `program`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProgramArgs {
    /// End with the main figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What writes the page.
pub const RUN: &str = "cargo run --release -p farthing-bench -- program";

/// The page that is written.
pub const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");

/// Measures, writes the page, and prints the main figures if that is asked for.
///
/// # Errors
/// If the page cannot be written.
pub fn run(args: &ProgramArgs) -> io::Result<()> {
    let report = measure::measure();
    fs::write(DOCUMENT, document::render(&report))?;
    println!("docs/benchmarks.md is written");
    if args.json {
        println!("{}", serde_json::to_string(&report.figures())?);
    }
    Ok(())
}
