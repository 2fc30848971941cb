//! Feeds [`farthing_tests::fuzz::voucher`].
#![no_main]

use farthing_tests::fuzz::voucher::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
