//! Compares the on-chain program with its reference model for any number of steps.
//!
//! The sequences have consecutive seeds, so that a stopped run can be continued from the seed that it printed last.

use std::io;
use std::thread;

use clap::Args;
use farthing_tests::program::model::explore::{Difference, Tally, explore};
use serde::Serialize;

/// Arguments of `model`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ModelArgs {
    /// Number of steps to take, in sequences of 50
    #[arg(long, default_value_t = 1_000_000)]
    pub steps: u64,
    /// Seed of the first sequence; the following ones are consecutive. Continue a stopped run from the seed printed
    /// last
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Number of steps of a sequence.
const STEPS: usize = 50;
/// Number of sequences per thread between two progress lines.
const SEQUENCES_PER_THREAD: u64 = 25;

/// The figures of a run.
#[derive(Debug, Serialize)]
struct ModelFigures {
    first_seed: u64,
    next_seed: u64,
    steps: u64,
    instructions: u64,
    accepted: u64,
}

/// Runs sequences until the requested number of steps is reached.
///
/// # Errors
/// If model and program differ; the error contains the shrunk sequence.
pub fn run(args: &ModelArgs) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut tally = Tally::default();
    let mut seed = args.seed;
    let mut steps = 0;
    while steps < args.steps {
        let left = (args.steps - steps).div_ceil(STEPS as u64);
        let count = left.min(threads * SEQUENCES_PER_THREAD);
        tally.add(&explore_all(seed..seed + count, threads)?);
        seed += count;
        steps += count * STEPS as u64;
        println!(
            "{steps} of {} steps, {} of {} instructions accepted; continue with --seed {seed}",
            args.steps,
            tally.successes(),
            tally.steps(),
        );
    }
    if args.json {
        let figures = ModelFigures {
            first_seed: args.seed,
            next_seed: seed,
            steps,
            instructions: tally.steps(),
            accepted: tally.successes(),
        };
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}

/// Runs the sequences of these seeds, distributed over the threads.
fn explore_all(seeds: std::ops::Range<u64>, threads: u64) -> io::Result<Tally> {
    let mut all = Tally::default();
    let found = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = seeds
                    .clone()
                    .skip(thread as usize)
                    .step_by(threads as usize);
                scope.spawn(move || explore_each(seeds))
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("a harness that does not panic"))
            .collect::<Vec<_>>()
    });
    for tally in found {
        all.add(&tally.map_err(|difference| io::Error::other(difference.to_string()))?);
    }
    Ok(all)
}

fn explore_each(seeds: impl Iterator<Item = u64>) -> Result<Tally, Box<Difference>> {
    let mut tally = Tally::default();
    for seed in seeds {
        tally.add(&explore(seed, STEPS)?);
    }
    Ok(tally)
}
