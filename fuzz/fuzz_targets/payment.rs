//! Feeds [`farthing_tests::fuzz::payment`].
#![no_main]

use farthing_tests::fuzz::payment::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
