//! What can be typed. Each measurement's arguments stand with it.

use clap::{Parser, Subcommand};

use crate::bodies::BodiesArgs;
use crate::gateway::{self, GatewayArgs};
use crate::growth::{self, GrowthArgs};
use crate::program::ProgramArgs;

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
    /// The verifier's store with a thousand lanes and with a million: restarts, throughput, memory and disk
    Growth(GrowthArgs),
    /// What `growth` runs as a process of its own
    #[command(hide = true, subcommand)]
    GrowthPart(growth::part::GrowthPart),
    /// Processor time to read and price large request bodies
    Bodies(BodiesArgs),
    /// The gateway over HTTP: throughput, latency and processor time, beside the upstream and peers
    Gateway(GatewayArgs),
    /// What `gateway` runs as a process of its own
    #[command(hide = true, subcommand)]
    GatewayPart(gateway::part::GatewayPart),
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
