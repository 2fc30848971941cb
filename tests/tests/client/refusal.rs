//! Every error of the program is explained to people.

use std::collections::HashSet;

use farthing::error::FarthingError;
use farthing_client::chain::refusal::explain;

/// The variants cannot be listed, so their numbers are read from the source.
fn codes() -> HashSet<u32> {
    include_str!("../../../programs/farthing/src/error.rs")
        .lines()
        .filter_map(|line| {
            let (_, code) = line.trim().strip_suffix(',')?.split_once(" = ")?;
            code.parse().ok()
        })
        .collect()
}

#[test]
fn every_error_of_the_program_and_no_other_is_explained() {
    let codes = codes();
    assert!(codes.contains(&(FarthingError::MintExtensionNotAllowed as u32)));
    assert!(codes.contains(&(FarthingError::AddressNotDerivable as u32)));
    for code in (0..10_000).chain([u32::MAX]) {
        assert_eq!(explain(code).is_some(), codes.contains(&code), "{code}");
    }
}

#[test]
fn every_explanation_says_what_to_do_next() {
    for code in codes() {
        let text = explain(code).unwrap_or_else(|| panic!("{code} is not explained"));
        assert!(text.contains(": "), "{text}");
    }
}
