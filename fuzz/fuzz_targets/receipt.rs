//! Feeds [`farthing_tests::fuzz::receipt`].
#![no_main]

use farthing_tests::fuzz::receipt::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
