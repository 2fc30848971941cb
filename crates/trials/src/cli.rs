//! What can be typed. Each trial's arguments stand with it.

use clap::{Parser, Subcommand};

use crate::crash::CrashArgs;
use crate::crash::process::DyingArgs;
use crate::model::ModelArgs;
use crate::mutants::MutantsArgs;

/// Try to prove Farthing wrong.
#[derive(Debug, Parser)]
#[command(name = "farthing-trials", version)]
pub struct Cli {
    /// What to try
    #[command(subcommand)]
    pub command: Command,
}

/// The trials.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The on-chain program against its reference model, by random sequences
    Model(ModelArgs),
    /// The tests of the on-chain program: which changes of it they notice
    Mutants(MutantsArgs),
    /// The verifier: killed under load, again and again, and what it has lost, doubled or leaked
    Crash(CrashArgs),
    /// What `crash` kills
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
