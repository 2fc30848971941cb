//! Feeds [`farthing_tests::fuzz::statement`].
#![no_main]

use farthing_tests::fuzz::statement::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
