//! What can be typed.

use clap::{Args, Parser, Subcommand};

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
}

/// Arguments of `program`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProgramArgs {
    /// End with the main figures as one line of JSON
    #[arg(long)]
    pub json: bool,
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
