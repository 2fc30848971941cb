//! The `farthing-trials` binary. All code is in the library, so that tests can run the trials too.

use std::process::ExitCode;

use clap::Parser;
use farthing_trials::cli::{Cli, Command};
use farthing_trials::{crash, model, mutants};
use mimalloc::MiMalloc;

/// The same allocator as that of the `farthing` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Model(args) => model::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::ServeAndDie(args) => return crash::process::serve(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("farthing-trials: {error}");
            ExitCode::FAILURE
        }
    }
}
