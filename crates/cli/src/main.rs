//! The `farthing` command. Everything is in the library, so that tests can drive it.

use std::process::ExitCode;

fn main() -> ExitCode {
    farthing_cli::main()
}
