//! Measures the verifier's store as it grows: restart time, throughput of paid requests, memory and disk.
//!
//! Everything runs on the real database through the real ledger, without HTTP except where a whole verifier is
//! started. Signatures are not verified, since the ledger never does that. Every measurement runs in its own process,
//! so that a restart begins without caches and a memory peak has a single cause. The stores are filled by commits of
//! records that a ledger could have written, with lanes in random order, so that database pages are as full as in real
//! use.

pub mod part;
pub mod population;

mod churn;
mod distant;
mod process;
mod report;
mod restart;
mod serving;
mod throughput;
mod traffic;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;

use farthing_tests::text::grouped;
use part::GrowthPart;
use population::Population;
use report::{GrowthReport, Sized};

/// Arguments of `growth`.
#[derive(Debug, Clone, Copy, Args)]
pub struct GrowthArgs {
    /// Number of lanes of the large store; the middle one has a tenth of it, the small one has 1,000
    #[arg(long, default_value_t = 1_000_000)]
    pub lanes: usize,
    /// Number of rounds in which everything is measured; the median is reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Seconds of each kind of traffic per round
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Number of requests after which the growth of each store's file is measured
    #[arg(long, default_value_t = 400_000)]
    pub churn: u64,
    /// Simulated latency of a request to the chain when a whole verifier is started
    #[arg(long, default_value_t = 100)]
    pub round_trip_ms: u64,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Number of lanes of the small store, and of active lanes in the large store.
pub const FEW: usize = 1_000;
/// Factor by which the middle store is smaller than the large one.
const MIDDLE: usize = 10;

/// Fills the stores, runs every measurement in its own process, and prints the report.
///
/// # Errors
/// If a store cannot be written, or a measurement fails.
pub fn run(args: &GrowthArgs) -> io::Result<()> {
    // The stores are in cargo's target folder, because the temporary folder may be in memory, where flushes are free.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    fs::create_dir_all(&target)?;
    let directory = tempfile::Builder::new()
        .prefix("growth-")
        .tempdir_in(target)?;
    let large = args.lanes.max(FEW);
    let filled = |name: &str, lanes: usize| -> io::Result<PathBuf> {
        let path = directory.path().join(name);
        Population::new(lanes).fill(&path)?;
        Ok(path)
    };
    let stores = [FEW, (large / MIDDLE).max(FEW), large];
    let [small, middle, big] = [
        filled("small.redb", stores[0])?,
        filled("middle.redb", stores[1])?,
        filled("large.redb", stores[2])?,
    ];
    let sized = |path: &Path, lanes: usize| -> io::Result<Sized> {
        println!("{} lanes", grouped(lanes as u64));
        let store = || path.to_owned();
        let start = |round| GrowthPart::Serving {
            store: store(),
            lanes,
            round_trip_ms: args.round_trip_ms,
            round,
        };
        let churn = GrowthPart::Churn {
            store: store(),
            lanes,
            requests: args.churn,
        };
        let restart = |_| GrowthPart::Restart {
            store: store(),
            lanes,
        };
        Ok(Sized {
            lanes,
            starts: repeat(args.rounds, start)?,
            churn: churn.run()?,
            restarts: repeat(args.rounds, restart)?,
        })
    };
    let sizes = [
        sized(&small, stores[0])?,
        sized(&middle, stores[1])?,
        sized(&big, stores[2])?,
    ];
    println!("measuring throughput");
    let throughput = GrowthPart::Throughput {
        small,
        large: big,
        lanes: large,
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let report = GrowthReport {
        sizes,
        rounds: throughput.run()?,
    };
    println!("\n{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report.figures())?);
    }
    Ok(())
}

fn repeat<T: DeserializeOwned>(times: u64, part: impl Fn(u64) -> GrowthPart) -> io::Result<Vec<T>> {
    (0..times).map(|round| part(round).run()).collect()
}
