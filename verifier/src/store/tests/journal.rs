//! The journal of the real database: however much of it was moved to the tables, the store holds what was written, and
//! moved entries are removed.

use std::path::Path;

use super::RedbStore;
use super::disk::Disk;
use crate::record::Record;
use crate::store::conformance::seeded::Seeded;
use crate::store::conformance::workload::Workload;
use crate::store::{Store, StoreError};

/// Commits of the workload: enough for the journal to be moved several times.
const COMMITS: usize = 400;
/// The most batches of one of them.
const LARGEST: usize = 8;

fn open(disk: &Disk) -> RedbStore {
    RedbStore::over(disk.clone(), Path::new("journal.redb")).expect("the disk works")
}

#[test]
fn a_store_holds_the_same_wherever_its_journal_stands() {
    let workload = Workload::new(11, COMMITS, LARGEST);
    let mut random = Seeded::new(12);
    let disk = Disk::default();
    let mut store = open(&disk);
    for (records, expected) in workload.commits.iter().zip(&workload.states[1..]) {
        store.commit(records).expect("the disk works");
        match random.below(4) {
            // Reading it again must not confuse what is still to be moved.
            0 => assert_eq!(&store.load().expect("it loads"), expected),
            1 => {
                drop(store);
                store = open(&disk);
                assert_eq!(&store.load().expect("it loads"), expected);
            }
            // The reopened store is written to before it is read.
            2 => {
                drop(store);
                store = open(&disk);
            }
            _ => {}
        }
    }
}

#[test]
fn the_journal_is_emptied_of_what_was_moved() {
    let workload = Workload::new(13, COMMITS, LARGEST);
    let disk = Disk::default();
    let mut store = open(&disk);
    let mut longest = 0;
    for records in &workload.commits {
        store.commit(records).expect("the disk works");
        longest = longest.max(store.journal_entries());
    }
    // Every commit is an entry, and most of them are gone.
    assert!(longest < COMMITS as u64 / 4, "{longest} entries");
}

#[test]
fn an_entry_of_another_version_is_refused() {
    let disk = Disk::default();
    let mut store = open(&disk);
    store.load().expect("an empty store loads");
    store.write_journal_entry(0, &[1, 0]);
    let error = store.load().expect_err("version 1 is not known");
    let message = error.to_string();
    assert!(
        matches!(
            error,
            StoreError::Unreadable {
                what: "journal entry",
                ..
            }
        ),
        "{message}"
    );
    drop(store);
    let error = open(&disk).commit(&[Record::Imported]);
    error.expect_err("what cannot be read is not written to");
}
