//! The `farthing` command: escrows, channels, the verifier, paying, and a whole local economy.
//!
//! * [`cli`] defines what can be typed; [`commands`] does it; [`output`] shows it, for people or as
//!   JSON; [`error`] says what went wrong, what to do next, and with which exit code.
//! * [`connection`] finds out which cluster a node belongs to and which program may be trusted there.
//! * [`signing_proxy`] pays for whoever cannot: any OpenAI client on this machine.
//! * The local chain, the demo model and the swarm exist only with the feature `dev`.
//!
//! What must not live here: anything that an SDK user would need; that is `farthing-client`.

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

/// The same for a command line that begins with the command's name.
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
        .map_err(|error| CliError::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(commands::run(cli.command, output)));
    match result {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version are no errors and go to stdout; errors are JSON if that was asked for.
fn not_parsed(error: &clap::Error, wants_json: bool) -> ExitCode {
    if error.use_stderr() && wants_json {
        let error = CliError::usage(error.render().to_string().trim_end());
        Output::new(true).error(&error);
        return ExitCode::from(error.exit_code());
    }
    // A closed terminal cannot be told anything.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE))
}

/// Logs to stderr, warnings unless `RUST_LOG` says otherwise; stdout is for results.
fn initialize_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
