//! The command line. The arguments of a trial are defined in the trial's module.

use clap::{Parser, Subcommand};

use crate::crash::CrashArgs;
use crate::crash::process::DyingArgs;
use crate::model::ModelArgs;
use crate::mutants::MutantsArgs;

/// Long-running trials that try to find defects in Farthing.
#[derive(Debug, Parser)]
#[command(name = "farthing-trials", version)]
pub struct Cli {
    /// Trial to run
    #[command(subcommand)]
    pub command: Command,
}

/// The trials.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare the on-chain program with its reference model on random sequences of instructions
    Model(ModelArgs),
    /// Mutate the on-chain program and report which mutants its tests catch
    Mutants(MutantsArgs),
    /// Kill the verifier repeatedly under load and check that it loses, doubles or leaks nothing
    Crash(CrashArgs),
    /// The process that `crash` kills
    #[command(hide = true)]
    ServeAndDie(DyingArgs),
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
