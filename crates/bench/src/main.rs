//! The `farthing-bench` command. Everything is in the library, so that tests can measure as it does.

use std::process::ExitCode;

use clap::Parser;
use farthing_bench::cli::{Cli, Command};
use farthing_bench::{bodies, gateway, growth, program};
use mimalloc::MiMalloc;

/// The one of `farthing`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Program(args) => program::run(&args),
        Command::Growth(args) => growth::run(&args),
        Command::GrowthPart(part) => part.measure(),
        Command::Bodies(args) => bodies::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::GatewayPart(part) => part.serve(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("farthing-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
