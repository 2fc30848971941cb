//! Feeds [`farthing_tests::fuzz::answer`].
#![no_main]

use farthing_tests::fuzz::answer::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
