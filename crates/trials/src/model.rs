//! The program against its reference model, for as long as one likes.
//!
//! Sequences are numbered by their seeds, one after the other, so that a run that was stopped goes on from the
//! seed that it printed last.

use std::io;
use std::thread;

use clap::Args;
use farthing_tests::program::model::explore::{Difference, Tally, explore};
use serde::Serialize;

/// Arguments of `model`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ModelArgs {
    /// How many steps to take, in sequences of 50
    #[arg(long, default_value_t = 1_000_000)]
    pub steps: u64,
    /// Seed of the first sequence; the next ones follow. A run that was stopped goes on from the one printed last
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Steps of a sequence.
const STEPS: usize = 50;
/// Sequences of each thread between two lines of progress.
const SEQUENCES_PER_THREAD: u64 = 25;

/// The end of a run.
#[derive(Debug, Serialize)]
struct Figures {
    first_seed: u64,
    next_seed: u64,
    steps: u64,
    instructions: u64,
    accepted: u64,
}

/// Runs sequences until there were as many steps as asked for.
///
/// # Errors
/// The sequence on which model and program differ, shrunk.
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
            "{steps} of {} steps, {} of {} instructions accepted; go on with --seed {seed}",
            args.steps,
            tally.successes(),
            tally.steps(),
        );
    }
    if args.json {
        let figures = Figures {
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

/// Runs the sequences of these seeds, shared out among threads.
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
