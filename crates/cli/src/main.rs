//! The `farthing` command. Everything is in the library, so that tests can drive it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A paid request allocates a hundred times, on every thread of the runtime.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    farthing_cli::main()
}
