//! Feeds [`farthing_tests::fuzz::instruction`].
#![no_main]

use farthing_fuzz::took;
use farthing_tests::fuzz::instruction::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| took(run(data)));
