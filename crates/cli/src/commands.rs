//! The implementations of the commands.

pub mod channel;
#[cfg(feature = "dev")]
pub mod dev;
pub mod escrow;
pub mod pay;
pub mod prices;
pub mod program;
pub mod receipt;
pub mod reconcile;
pub mod serve;
pub mod store;
pub mod support;

use std::process::ExitCode;

use crate::cli::Command;
use crate::error::CliError;
use crate::output::Output;

/// Runs a command.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(command: Command, output: Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Escrow(command) => escrow::run(command, output).await?,
        Command::Channel(command) => channel::run(command, output).await?,
        Command::Serve(args) => serve::run(*args, output).await?,
        Command::Store(command) => store::run(command, output)?,
        Command::Reconcile(args) => reconcile::run(args, output).await?,
        Command::Pay(args) => pay::run(*args, output).await?,
        Command::Receipt(command) => receipt::run(command, output).await?,
        Command::Program(command) => program::run(*command, output).await?,
        #[cfg(feature = "dev")]
        Command::Dev(args) => return dev::run(args, output).await,
    }
    Ok(ExitCode::SUCCESS)
}
