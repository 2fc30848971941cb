//! Kill tests: runs `farthing serve` in a separate process under load, kills it repeatedly, at every crash point and at
//! random moments, and restarts it with the same store.
//!
//! `oracle` decides what is wrong, without side effects: it compares what the clients were told with the store after
//! every kill, with what the process reports after every start, and with the chain at the end. `plan` decides when
//! processes are killed, `process` starts and kills them, `client`, `lane` and `load` pay, and `world` is what survives
//! the kills. Processes are only ever killed by SIGKILL, never in a gentler way.

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
use report::CrashReport;
use trial::Trial;
use world::World;

/// Arguments of `crash`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CrashArgs {
    /// Number of processes to kill
    #[arg(long, default_value_t = 200)]
    pub kills: usize,
    /// Seed that decides when processes are killed; random by default
    #[arg(long)]
    pub seed: Option<u64>,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Approximate maximum number of requests between two kills.
const PACE: u64 = 400;
/// Timeout for a process to start, to answer, to reach its crash point, or to end. It does not affect any measurement.
const PATIENCE: Duration = Duration::from_secs(120);
/// Number of progress lines of a run.
const LINES: usize = 10;

/// Result of any part of a run.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of processes to kill.
    pub kills: usize,
    /// Seed that decides when processes are killed.
    pub seed: u64,
    /// Approximate maximum number of requests between two kills.
    pub pace: u64,
    /// Executable that can run [`process::serve`].
    pub executable: PathBuf,
}

/// Kills the requested number of processes and prints the report.
///
/// # Errors
/// If anything was lost, doubled or leaked, if a crash point was hit too seldom, or if the run could not be completed.
pub fn run(args: &CrashArgs) -> io::Result<()> {
    let options = Options {
        kills: args.kills,
        seed: args.seed.unwrap_or_else(rand::random),
        pace: PACE,
        executable: std::env::current_exe()?,
    };
    println!(
        "{} kills; repeat this run with --seed {}",
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
        return Err(io::Error::other(
            "something was lost, doubled or leaked: see the faults above",
        ));
    }
    let wanted = deaths_per_point(options.kills) as u64;
    match CrashPoint::ALL
        .iter()
        .find(|point| report.hits(**point) < wanted)
    {
        Some(missed) => Err(io::Error::other(format!(
            "crash point {} was hit too seldom",
            missed.name()
        ))),
        None => Ok(()),
    }
}

/// Kills the requested number of processes, and lets one last process shut down normally.
///
/// # Errors
/// If the run cannot be completed. Faults that were found are in the report and are not errors.
pub async fn measure(options: &Options) -> Result<CrashReport> {
    let folder = tempfile::tempdir()?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let deaths = deaths(options.kills, options.pace, &mut rng);
    let world = World::start(folder.path(), options.executable.clone()).await?;
    let mut trial = Trial::new(world, rng, CrashReport::default());
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
