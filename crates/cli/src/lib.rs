//! The `farthing` command: escrows, channels, the verifier, paying, and a local demo economy.
//!
//! * [`cli`] defines the command line; [`commands`] implements the commands; [`output`] prints results, for people or
//!   as JSON; [`error`] defines errors with their messages, codes and exit codes.
//! * [`connection`] determines which cluster a node belongs to and which program is trusted there.
//! * [`signing_proxy`] pays on behalf of clients that cannot sign: any OpenAI client on this machine.
//! * The local chain, the demo model and the swarm exist only with the feature `dev`.
//!
//! Anything that an SDK user would need belongs in `farthing-client`, not here.

pub mod arguments;
pub mod cli;
pub mod commands;
pub mod connection;
#[cfg(feature = "dev")]
pub mod demo_model;
#[cfg(feature = "dev")]
pub mod dev;
pub mod error;
#[cfg(feature = "dev")]
pub mod localnet;
pub mod output;
pub mod settings;
pub mod signals;
pub mod signing_proxy;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::error::{CliError, EXIT_USAGE};
use crate::output::Output;

/// Parses the process's command line, runs it and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

/// Parses and runs a command line, whose first argument is the command's name, and returns the exit code.
#[must_use]
pub fn run(command_line: Vec<OsString>) -> ExitCode {
    let wants_json = command_line.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(command_line) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, wants_json),
    };
    initialize_log();
    let output = Output::new(cli.json);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start the async runtime: {error}")))
        .and_then(|runtime| runtime.block_on(commands::run(cli.command, output)));
    match result {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints what clap reports: help and version to stdout, errors to stderr, as JSON if requested.
fn not_parsed(error: &clap::Error, wants_json: bool) -> ExitCode {
    if error.use_stderr() && wants_json {
        let error = CliError::usage(error.render().to_string().trim_end());
        Output::new(true).error(&error);
        return ExitCode::from(error.exit_code());
    }
    // If the output is closed, there is nowhere to report that.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE))
}

/// Initialises logging to stderr, at level `warn` unless `RUST_LOG` is set. Stdout is reserved for results.
fn initialize_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
