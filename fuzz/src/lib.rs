//! What the fuzz targets share: a way to tell libFuzzer which path an input took through the bytecode.
//!
//! The properties are in `farthing_tests::fuzz`.
#![cfg(feature = "libfuzzer")]

use std::sync::atomic::{AtomicU8, Ordering};

use farthing_tests::fuzz::bytecode::Path;

/// How many paths are told apart; two that fall together look like one.
const COUNTERS: usize = 1 << 13;

/// Counters that libFuzzer clears before each input and reads after it, beside those that the compiler put
/// into native code. On Linux only does it find them.
#[cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "libFuzzer finds the counters by their section"),
    unsafe(link_section = "__libfuzzer_extra_counters"),
    used
)]
static PATHS: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// Counts a path that an input took.
pub fn took(path: Path) {
    let counter = usize::try_from(path.0 % COUNTERS as u64).expect("there are few counters");
    PATHS[counter].fetch_add(1, Ordering::Relaxed);
}
