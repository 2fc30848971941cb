//! The committed page is what is measured, and what is measured is within its bounds.

use std::fs;

use farthing_bench::program::{DOCUMENT, RUN, document, instructions, measure, requirements};

#[test]
fn the_committed_page_is_a_fresh_measurement_within_the_bounds() {
    let report = measure::measure();

    for requirement in requirements::of(&report) {
        assert!(requirement.is_met(), "{requirement:?}");
    }
    let numbers = report.instructions.iter().map(|cost| cost.number);
    assert!(numbers.map(usize::from).eq(0..instructions::NAMES.len()));

    let committed = fs::read_to_string(DOCUMENT).expect("docs/benchmarks.md is committed");
    let fresh = document::render(&report);
    for (committed, fresh) in committed.lines().zip(fresh.lines()) {
        assert_eq!(committed, fresh, "write the page anew: {RUN}");
    }
    assert_eq!(committed.len(), fresh.len(), "write the page anew: {RUN}");
}
