//! Tests that the bytecode contains a security contact.

use farthing_tests::program::chain::BYTECODE;
use solana_security_txt::find_and_parse;

#[test]
fn the_bytecode_names_its_contact_and_its_source() {
    let text = find_and_parse(&BYTECODE).expect("the bytecode has a security.txt");
    assert_eq!(text.name, "Farthing");
    assert_eq!(text.project_url, env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(
        text.source_code.as_deref(),
        Some(env!("CARGO_PKG_REPOSITORY"))
    );
    let release = concat!("v", env!("CARGO_PKG_VERSION"));
    assert_eq!(text.source_release.as_deref(), Some(release));
    assert!(text.policy.ends_with("/SECURITY.md"), "{}", text.policy);
    assert_eq!(text.contacts.len(), 1);
    assert!(
        text.expiry.is_none(),
        "an expiry needs somebody who renews it"
    );
}
