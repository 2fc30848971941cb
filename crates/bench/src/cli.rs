//! What can be typed.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};
use farthing_verifier::crash_point::CrashPoint;

use crate::{gateway, growth};

/// Measure Farthing, and write what was measured into docs/.
#[derive(Debug, Parser)]
#[command(name = "farthing-bench", version)]
pub struct Cli {
    /// What to measure
    #[command(subcommand)]
    pub command: Command,
}

/// The measurements.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The on-chain program: compute units, bytes and lamports. Writes docs/benchmarks.md
    Program(ProgramArgs),
    /// The on-chain program against its reference model, by random sequences
    Model(ModelArgs),
    /// The tests of the on-chain program: which changes of it they notice
    Mutants(MutantsArgs),
    /// The verifier: killed under load, again and again, and what it has lost, doubled or leaked
    Crash(CrashArgs),
    /// What `crash` kills
    #[command(hide = true)]
    ServeAndDie(DyingArgs),
    /// The verifier's store with a thousand lanes and with a million: restarts, throughput, memory and disk
    Growth(GrowthArgs),
    /// What `growth` runs as a process of its own
    #[command(hide = true, subcommand)]
    GrowthPart(growth::part::Part),
    /// The gateway over HTTP: throughput, latency and processor time, beside the upstream and peers
    Gateway(GatewayArgs),
    /// What `gateway` runs as a process of its own
    #[command(hide = true, subcommand)]
    GatewayPart(gateway::part::Part),
}

/// Arguments of `program`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProgramArgs {
    /// End with the main figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

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

/// Arguments of `mutants`.
#[derive(Debug, Clone, Args)]
pub struct MutantsArgs {
    /// Try only those whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

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

/// Arguments of the process that `crash` kills.
#[derive(Debug, Clone, Args)]
pub struct DyingArgs {
    /// Where to die
    #[arg(long, value_name = "NAME", value_parser = crash_point)]
    pub point: Option<CrashPoint>,
    /// At which passage
    #[arg(long, default_value_t = 1)]
    pub passage: u64,
    /// Count from the start, and not from the first line on stdin
    #[arg(long)]
    pub from_start: bool,
    /// Arguments of `farthing serve`
    #[arg(last = true)]
    pub serve: Vec<OsString>,
}

fn crash_point(name: &str) -> Result<CrashPoint, String> {
    let mut points = CrashPoint::ALL.iter().copied();
    points
        .find(|point| point.name() == name)
        .ok_or_else(|| format!("there is no crash point {name}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
