//! The `farthing` binary. All code is in the library, so that tests can call it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Mimalloc, because a paid request makes about a hundred allocations, on every thread of the runtime.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    farthing_cli::main()
}
