//! The verifier's store as it grows: how long a restart takes, what a paid request costs, how much memory and disk.
//!
//! Everything runs on the real database through the real books, without HTTP except where a whole verifier is
//! started. Signatures are not verified, which the books never do. Every measurement is a process of its own, so that
//! a restart begins with nothing and a peak of memory has one cause. The stores are filled by commits of records that
//! a ledger could have written, lanes in random order, as agents come: pages are as full as they would be.

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
use part::Part;
use population::Population;
use report::{Report, Sized};

/// Arguments of `growth`.
#[derive(Debug, Clone, Copy, Args)]
pub struct GrowthArgs {
    /// Lanes of the large store; the middle one has a tenth, the small one a thousand
    #[arg(long, default_value_t = 1_000_000)]
    pub lanes: usize,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Seconds of each kind of traffic in each round
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Requests after which the middle store's file is looked at
    #[arg(long, default_value_t = 400_000)]
    pub churn: u64,
    /// What a question to the chain takes when a whole verifier is started
    #[arg(long, default_value_t = 100)]
    pub round_trip_ms: u64,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Lanes of the small store, and lanes that are active in the large one.
pub const FEW: usize = 1_000;
/// How many times smaller than the large store the middle one is.
const MIDDLE: usize = 10;

/// Fills stores, measures every part in a process of its own, and shows what came out.
///
/// # Errors
/// If a store cannot be written, or a measurement fails.
pub fn run(args: &GrowthArgs) -> io::Result<()> {
    // Where cargo builds, since a temporary folder may be in memory, which has no flushes to wait for.
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
        let start = |round| Part::Serving {
            store: store(),
            lanes,
            round_trip_ms: args.round_trip_ms,
            round,
        };
        let churn = Part::Churn {
            store: store(),
            lanes,
            requests: args.churn,
        };
        let restart = |_| Part::Restart {
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
    println!("serving");
    let throughput = Part::Throughput {
        small,
        large: big,
        lanes: large,
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let report = Report {
        sizes,
        rounds: throughput.run()?,
    };
    println!("\n{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report.figures())?);
    }
    Ok(())
}

fn repeat<T: DeserializeOwned>(times: u64, part: impl Fn(u64) -> Part) -> io::Result<Vec<T>> {
    (0..times).map(|round| part(round).run()).collect()
}
