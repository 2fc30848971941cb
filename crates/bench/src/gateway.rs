//! The gateway over HTTP: what a paid request costs in throughput, latency and processor time, beside the same request
//! unpaid, the upstream called directly, and servers that sell by other means.
//!
//! Servers are processes of their own: the demo model as upstream, a verifier with its store on disk, an application with
//! its [layer](farthing_verifier::Seller::layer), and the peers. Who pays is this process: 256 connections, each a lane that
//! signs every voucher and books every receipt. The chain is in memory, since no request ever asks it.
//!
//! `part` are the servers, `process` starts them; `swarm` has the lanes, `caller` who sends and what, `load` when; `side` lets
//! sides take turns, `scenes` says which; `report` shows what came out.

pub mod caller;
pub mod load;
pub mod machine;
pub mod part;
pub mod process;
pub mod proxies;
pub mod report;
pub mod scenes;
pub mod side;
pub mod swarm;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use machine::Machine;
use report::GatewayReport;

/// Arguments of `gateway`.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Measure only what has a name that contains this; figures that need more are null
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Seconds of each side in each round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// How long the sustained load lasts
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub sustained_seconds: u64,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// What any part of a run can fail with.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Only sides whose name contains this.
    pub only: Option<String>,
    /// Rounds; the median of them counts.
    pub rounds: u64,
    /// Turns of one second that every side has in a round.
    pub turns: u64,
}

/// Measures, and shows what came out.
///
/// # Errors
/// If a server does not start, or answers what it should not.
pub fn run(args: &GatewayArgs) -> io::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(measure(args)).map_err(io::Error::other)?;
    println!("\n{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report.figures())?);
    }
    Ok(())
}

async fn measure(args: &GatewayArgs) -> Result<GatewayReport> {
    // Where cargo builds, since a temporary folder may be in memory, which has no flushes to wait for.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    fs::create_dir_all(&target)?;
    let folder = tempfile::Builder::new()
        .prefix("gateway-")
        .tempdir_in(target)?;
    let plan = Plan {
        only: args.only.clone(),
        rounds: args.rounds,
        turns: args.seconds,
    };
    let throughput = scenes::throughput(folder.path(), &plan).await?;
    let layers = scenes::layers(folder.path(), &plan).await?;
    let sustained = Duration::from_secs(args.sustained_seconds);
    let (latency, sustained) = scenes::latency(folder.path(), &plan, sustained).await?;
    let streams = scenes::streams(folder.path(), &plan).await?;
    Ok(GatewayReport {
        machine: Machine::here(),
        throughput,
        layers,
        latency,
        sustained,
        streams,
    })
}
