//! Feeds [`farthing_tests::fuzz::request`].
#![no_main]

use farthing_tests::fuzz::request::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
