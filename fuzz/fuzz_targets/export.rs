//! Feeds [`farthing_tests::fuzz::export`].
#![no_main]

use farthing_tests::fuzz::export::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
