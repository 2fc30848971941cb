//! Kill tests: `farthing serve` in a process of its own, under load, killed again and again, at every crash point and at
//! any moment, and started again over the same store.
//!
//! `oracle` is the judge and is pure: after every death it compares what the clients were told with the store, after
//! every start with what the process says, and in the end with the chain. `plan` says when processes die, `process`
//! makes them; `client`, `lane` and `load` are who pays; `world` is what stays. What must not live here: anything that
//! makes a process die more gently than SIGKILL.

pub mod client;
pub mod lane;
pub mod load;
pub mod oracle;
pub mod plan;
pub mod process;
pub mod report;
pub mod trial;
pub mod world;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use farthing_verifier::crash_point::CrashPoint;
use rand::SeedableRng;
use rand::rngs::StdRng;

use plan::{deaths, deaths_per_point};
use report::Report;
use trial::Trial;
use world::World;

/// Arguments of `crash`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CrashArgs {
    /// How many processes to kill
    #[arg(long, default_value_t = 200)]
    pub kills: usize,
    /// Decides when they die, by default chance
    #[arg(long)]
    pub seed: Option<u64>,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Requests between two deaths, at most, about.
const PACE: u64 = 400;
/// How long a process may take to serve, to answer, to die where it should, or to end. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lines of progress.
const LINES: usize = 10;

/// What any part of a run can fail with.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Processes to kill.
    pub kills: usize,
    /// Decides when they die.
    pub seed: u64,
    /// Requests between two deaths, at most, about.
    pub pace: u64,
    /// The program that can run [`process::serve`].
    pub executable: PathBuf,
}

/// Kills as many processes as asked for, and shows what came of it.
///
/// # Errors
/// If anything was lost, doubled or leaked, a crash point was not hit, or the run did not come to its end.
pub fn run(args: &CrashArgs) -> io::Result<()> {
    let options = Options {
        kills: args.kills,
        seed: args.seed.unwrap_or_else(rand::random),
        pace: PACE,
        executable: std::env::current_exe()?,
    };
    println!(
        "{} kills; the same again with --seed {}",
        options.kills, options.seed
    );
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime
        .block_on(measure(&options))
        .map_err(io::Error::other)?;
    print!("\n{report}");
    let figures = report.figures();
    if args.json {
        println!("{}", serde_json::to_string(&figures)?);
    }
    if !report.faults.is_empty() {
        return Err(io::Error::other("something was lost, doubled or leaked"));
    }
    let wanted = deaths_per_point(options.kills) as u64;
    match CrashPoint::ALL
        .iter()
        .find(|point| report.hits(**point) < wanted)
    {
        Some(missed) => Err(io::Error::other(format!(
            "{} was hit too seldom",
            missed.name()
        ))),
        None => Ok(()),
    }
}

/// Kills as many processes as asked for, and lets the last one end in peace.
///
/// # Errors
/// If the run does not come to its end. What went wrong with anybody's money is in the report.
pub async fn measure(options: &Options) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let deaths = deaths(options.kills, options.pace, &mut rng);
    let world = World::start(folder.path(), options.executable.clone()).await?;
    let mut trial = Trial::new(world, rng, Report::default());
    for (number, death) in (1..).zip(&deaths) {
        let died = trial.die(*death).await;
        died.map_err(|error| format!("at kill {number}, {death:?}: {error}"))?;
        if number * LINES / deaths.len() > (number - 1) * LINES / deaths.len() {
            println!("{}", trial.report.progress(deaths.len()));
        }
    }
    trial.end(options.pace).await?;
    trial.world.shutdown().await?;
    Ok(trial.report)
}
