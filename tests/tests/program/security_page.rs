//! Tests that every test named in the threat model exists.

use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../docs/security.md");

/// The tests that the page names, as file and function.
fn named() -> Vec<(PathBuf, &'static str)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    PAGE.split('`')
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, test)| *file != "file" && !test.contains(' '))
        .map(|(file, test)| {
            let path = if file.ends_with(".rs") {
                root.join("..").join(file)
            } else {
                root.join("tests/program").join(format!("{file}.rs"))
            };
            (path, test)
        })
        .collect()
}

#[test]
fn every_test_that_it_names_exists() {
    let named = named();
    assert!(named.len() > 50, "{}", named.len());
    for (path, test) in named {
        let source = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            source.contains(&format!("fn {test}()")),
            "{} has no test {test}",
            path.display()
        );
    }
}
