//! Tests that every error of the program has a human-readable explanation.

use std::collections::HashSet;

use farthing::error::FarthingError;
use farthing_chain::refusal::explain;

/// The program's codes, by its interface description.
fn codes() -> HashSet<u32> {
    let idl = include_str!("../../../programs/farthing/artifact/farthing.json");
    let idl: serde_json::Value = serde_json::from_str(idl).expect("the committed file is JSON");
    let errors = idl["errors"].as_array().expect("a list").iter();
    errors
        .map(|error| error["code"].as_u64().expect("a number"))
        .map(|code| u32::try_from(code).expect("codes have 32 bits"))
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
