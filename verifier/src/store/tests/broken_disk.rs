//! The real database on a disk that fails: at every operation, including reads, once or permanently. Acknowledged
//! commits are never lost, a failed commit is there as a whole or not at all, and nothing is acknowledged after it.

use std::path::Path;

use super::RedbStore;
use super::disk::{Change, Disk, Fault, after_cut, apply};
use crate::record::StoredState;
use crate::store::conformance::workload::Workload;
use crate::store::{Store, StoreError, Writer};

const NAME: &str = "broken.redb";

fn open(disk: &Disk) -> Result<RedbStore, StoreError> {
    RedbStore::over(disk.clone(), Path::new(NAME))
}

/// Opens, loads and commits until something fails. Returns how many commits were acknowledged, and the error.
fn use_until_it_fails(
    disk: &Disk,
    workload: &Workload,
    done: usize,
) -> (usize, Result<(), StoreError>) {
    let mut acknowledged = done;
    let outcome = open(disk).and_then(|mut store| {
        store.load()?;
        for records in &workload.commits[done..] {
            if let Err(error) = store.commit(records) {
                store
                    .commit(records)
                    .expect_err("a store that failed has failed for good");
                return Err(error);
            }
            acknowledged += 1;
        }
        Ok(())
    });
    (acknowledged, outcome)
}

/// The content of a disk after `done` commits, left by a closed store or by a process that died.
fn begun(workload: &Workload, done: usize, closed: bool) -> Vec<u8> {
    let disk = Disk::default();
    let mut store = open(&disk).expect("an empty disk opens");
    store.load().expect("an empty store loads");
    for records in &workload.commits[..done] {
        store.commit(records).expect("the disk works");
    }
    if !closed {
        disk.turn_off();
    }
    drop(store);
    disk.content()
}

/// The content of the disk if the power is cut after the failure.
fn cut(before: &[u8], changes: &[Change], seed: u64) -> Vec<u8> {
    let synced = changes
        .iter()
        .rposition(|change| matches!(change, Change::Sync));
    let synced = synced.map_or(0, |last| last + 1);
    let mut durable = before.to_vec();
    for change in &changes[..synced] {
        apply(&mut durable, change, |_| true);
    }
    after_cut(&durable, &changes[synced..], seed)
}

/// Makes every operation fail in turn, and opens what is left on a disk that works. Returns how many failures were
/// tested.
fn endures(workload: &Workload, done: usize, before: &[u8], stride: usize) -> usize {
    let mut failures = 0;
    for number in (0..).step_by(stride) {
        for sticky in [false, true] {
            let disk = Disk::holding(before.to_vec());
            disk.fail(Fault {
                at: Some(number),
                sticky,
            });
            let (acknowledged, outcome) = use_until_it_fails(&disk, workload, done);
            if disk.operations() <= number {
                outcome.expect("nothing failed");
                return failures;
            }
            failures += 1;
            // A failure on which nothing depends, for example while closing, is not reported.
            if let Err(error) = &outcome {
                let message = error.to_string();
                assert!(
                    message.contains(NAME) && message.contains("disk"),
                    "{message}"
                );
            }
            let next = outcome
                .is_err()
                .then(|| workload.states.get(acknowledged + 1))
                .flatten();
            let legal = [Some(&workload.states[acknowledged]), next];
            for content in [disk.content(), cut(before, &disk.take_log(), number as u64)] {
                let left = Disk::holding(content);
                let state: StoredState = open(&left)
                    .and_then(|mut store| store.load())
                    .unwrap_or_else(|error| panic!("operation {number}, sticky {sticky}: {error}"));
                assert!(
                    legal.contains(&Some(&state)),
                    "operation {number}, sticky {sticky}"
                );
            }
        }
    }
    failures
}

#[test]
fn a_failure_at_any_operation_loses_nothing() {
    let workload = Workload::new(3, 12, 6);
    let from_nothing = endures(&workload, 0, &[], 3);
    let after_a_stop = endures(&workload, 9, &begun(&workload, 9, true), 1);
    let after_a_crash = endures(&workload, 9, &begun(&workload, 9, false), 1);
    println!(
        "{from_nothing} failures from nothing, {after_a_stop} after a stop, {after_a_crash} after a crash"
    );
    assert!(from_nothing >= 60 && after_a_stop >= 60 && after_a_crash >= 60);
}

#[tokio::test]
async fn the_writer_acknowledges_nothing_after_a_failure() {
    let workload = Workload::new(4, 40, 3);
    for number in [0, 1, 5, 12, 30, 77] {
        let disk = Disk::default();
        let mut store = open(&disk).expect("an empty disk opens");
        store.load().expect("an empty store loads");
        disk.fail(Fault {
            at: Some(number),
            sticky: false,
        });
        let writer = Writer::start(Box::new(store)).expect("there is a thread");
        let mut acknowledged = 0;
        let mut has_failed = false;
        for records in &workload.commits {
            match writer.enqueue(records.clone()).durable().await {
                Ok(()) => {
                    assert!(
                        !has_failed,
                        "operation {number}: the disk works again, the writer must not"
                    );
                    acknowledged += 1;
                }
                Err(_) => has_failed = true,
            }
        }
        assert!(has_failed && writer.has_failed() && !writer.is_available());
        writer.close();
        let state = open(&Disk::holding(disk.content())).and_then(|mut store| store.load());
        let state = state.expect("what was acknowledged is there");
        let legal = &workload.states[acknowledged..=acknowledged + 1];
        assert!(legal.contains(&state), "operation {number}");
    }
}
