//! Tests of exports: what is refused and with which error, and that an export and its import lose nothing.

mod arbitrary;

use std::fs;
use std::path::Path;

use proptest::prelude::ProptestConfig;
use proptest::proptest;
use sha2::{Digest, Sha256};
use solana_sdk::hash::Hash;

use super::{Counts, MAX_LINE_LENGTH, ReadError, export, read_export};
use crate::record::StoredState;
use crate::store::releases::{imported_sample, sample};
use crate::store::{ImportError, RedbStore, Store, import_file};
use arbitrary::state;

fn text_of(state: &StoredState) -> String {
    let mut bytes = Vec::new();
    let summary = export(state, &mut bytes).expect("memory takes everything");
    assert_eq!(summary.counts, Counts::of(state));
    String::from_utf8(bytes).expect("JSON is text")
}

/// An export of these lines, with the matching hash.
fn sealed(lines: &[&str]) -> String {
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let hash = Hash::new_from_array(Sha256::digest(&text).into());
    text.push_str(&format!("{{\"sha256\":\"{hash}\"}}\n"));
    text
}

fn refused(text: &str) -> ReadError {
    read_export(text.as_bytes()).expect_err("it is not what was exported")
}

#[test]
fn other_files_are_not_taken_for_exports() {
    for text in [
        "",
        "\n",
        "{}\n",
        "farthing-store",
        "{\"format\":\"x\",\"version\":1}\n",
    ] {
        assert!(matches!(refused(text), ReadError::NotAnExport), "{text:?}");
    }
    let header = r#"{"format":"farthing-store","version":5,"what":"ever"}"#;
    let error = refused(&sealed(&[header]));
    assert!(
        matches!(error, ReadError::UnknownVersion { found: 5 }),
        "{error}"
    );
}

#[test]
fn a_cut_export_is_refused_wherever_it_was_cut() {
    let text = text_of(&sample());
    let first_line = text.find('\n').expect("there are lines") + 1;
    for length in 0..text.len() {
        let error = refused(&text[..length]);
        if length < first_line {
            assert!(matches!(error, ReadError::NotAnExport), "{length}: {error}");
        } else {
            assert!(matches!(error, ReadError::Cut), "{length}: {error}");
        }
    }
}

#[test]
fn a_changed_export_is_refused_wherever_it_was_changed() {
    let text = text_of(&sample());
    for position in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[position] ^= 1;
        read_export(bytes.as_slice()).expect_err("one bit was flipped");
    }
    let raised = text.replace(r#""charged":"300""#, r#""charged":"301""#);
    assert_ne!(raised, text);
    let error = refused(&raised);
    assert!(matches!(error, ReadError::HashMismatch), "{error}");
    let error = refused(&format!("{text}\n"));
    assert!(matches!(error, ReadError::Trailing), "{error}");
}

#[test]
fn records_are_in_their_places_once() {
    let text = text_of(&sample());
    let lines: Vec<&str> = text.lines().collect();
    let records = &lines[..lines.len() - 1];
    assert_eq!(sealed(records), text);

    for number in 2..records.len() {
        let mut swapped = records.to_vec();
        swapped.swap(number - 1, number);
        let mut twice = records.to_vec();
        twice.insert(number, records[number - 1]);
        for lines in [swapped, twice] {
            let error = refused(&sealed(&lines));
            let expected = number as u64 + 1;
            assert!(
                matches!(error, ReadError::OutOfOrder { line } if line == expected),
                "{number}: {error}"
            );
        }
    }
    for number in 1..records.len() {
        let mut missing = records.to_vec();
        missing.remove(number);
        let error = refused(&sealed(&missing));
        assert!(
            matches!(error, ReadError::CountMismatch),
            "{number}: {error}"
        );
    }
}

#[test]
fn a_line_that_this_version_does_not_write_is_named() {
    let text = text_of(&sample());
    let lines: Vec<&str> = text.lines().collect();
    for (from, to, expected) in [
        (r#"{"lane""#, r#"{"lain""#, "unknown variant `lain`"),
        (r#""floor""#, r#""flor""#, "unknown field `flor`"),
        (r#","floor":"2""#, "", "missing field `floor`"),
        (r#""charged":"300""#, r#""charged":300"#, "invalid type"),
        (
            r#""charged":"300""#,
            r#""charged":"-300""#,
            "decimal string of base units",
        ),
        (
            r#""charged":"300""#,
            r#""charged":"+300""#,
            "decimal string of base units",
        ),
        (r#""lane":0"#, r#""lane":65536"#, "invalid value"),
    ] {
        let changed = lines[3].replacen(from, to, 1);
        assert_ne!(changed, lines[3], "{from}");
        match refused(&sealed(&[lines[0], lines[1], lines[2], &changed])) {
            ReadError::Line { line: 4, reason } => {
                assert!(reason.contains(expected), "{reason}");
            }
            other => panic!("{to}: {other}"),
        }
    }
    let long = "x".repeat(MAX_LINE_LENGTH);
    let error = refused(&sealed(&[lines[0], &long]));
    assert!(
        matches!(error, ReadError::LineTooLong { line: 2 }),
        "{error}"
    );
}

#[test]
fn an_import_replaces_nothing_and_leaves_nothing_half_done() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    let unfinished = directory.path().join("store.redb.importing");
    let text = text_of(&sample());

    fs::write(&path, "precious").expect("writable");
    let error = import_file(text.as_bytes(), &path).expect_err("something is there");
    assert!(matches!(error, ImportError::Exists(_)), "{error}");
    assert_eq!(fs::read(&path).expect("readable"), b"precious");
    fs::remove_file(&path).expect("writable");

    let error = import_file(&text.as_bytes()[..text.len() - 1], &path).expect_err("it is cut");
    assert!(
        matches!(error, ImportError::Export(ReadError::Cut)),
        "{error}"
    );
    assert_eq!(files(directory.path()), 0);

    fs::write(&unfinished, "another import").expect("writable");
    let error = import_file(text.as_bytes(), &path).expect_err("another import may run");
    assert!(matches!(error, ImportError::Unfinished(_)), "{error}");
    assert_eq!(fs::read(&unfinished).expect("readable"), b"another import");
    fs::remove_file(&unfinished).expect("writable");

    let nowhere = directory.path().join("missing").join("store.redb");
    let error = import_file(text.as_bytes(), &nowhere).expect_err("there is no such directory");
    assert!(matches!(error, ImportError::File { .. }), "{error}");

    let summary = import_file(text.as_bytes(), &path).expect("nothing is in the way");
    assert_eq!(summary.counts, Counts::of(&sample()));
    assert_eq!(files(directory.path()), 1);
    let mut store = RedbStore::open(&path).expect("it opens");
    let state = store.load().expect("it loads");
    assert_eq!(state, imported_sample());
}

fn files(directory: &Path) -> usize {
    fs::read_dir(directory).expect("readable").count()
}

proptest! {
    #[test]
    fn an_export_reads_as_what_was_exported(state in state()) {
        let text = text_of(&state);
        let (read, summary) = read_export(text.as_bytes()).expect("it is whole");
        assert_eq!(summary.counts, Counts::of(&state));
        assert_eq!(read, state);
    }
}

proptest! {
    // Few cases, because each of them waits for the disk several times.
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_import_holds_what_was_exported_and_exports_it_again(state in state()) {
        let directory = tempfile::tempdir().expect("the test has a directory");
        let path = directory.path().join("store.redb");
        let text = text_of(&state);
        import_file(text.as_bytes(), &path).expect("it is whole");
        let imported = RedbStore::open(&path).expect("it opens").load().expect("it loads");
        assert_eq!(text_of(&imported), text);
        assert_eq!(imported, StoredState { is_imported: true, ..state });
    }
}
