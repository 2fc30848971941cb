//! Feeds [`farthing_tests::fuzz::amount`].
#![no_main]

use farthing_tests::fuzz::amount::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
