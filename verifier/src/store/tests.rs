//! Tests of the store's contract for the real backend, and of the writer, also on stores that fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use farthing_protocol::BaseUnits;

use super::conformance::samples::{answer, key, lane, with_answer};
use super::memory::MemoryStore;
use super::{RedbStore, Store, StoreFailed, UnreadableRecord, Writer, conformance};
use crate::record::{Record, Remembered, ReservationId, StoredState};

mod broken_disk;
mod clock_back;
mod damaged;
mod disk;
mod full_disk;
mod journal;
mod power_cut;
mod two_processes;

#[test]
fn redb_conforms() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    conformance::check(|| Box::new(RedbStore::open(&path).expect("the file opens")));
}

#[test]
fn memory_conforms() {
    let store = MemoryStore::default();
    conformance::check(|| Box::new(store.clone()));
}

#[test]
fn a_database_is_opened_once() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    let _open = RedbStore::open(&path).expect("the file opens");
    let error = RedbStore::open(&path).expect_err("it is open already");
    assert!(error.to_string().contains("store.redb"), "{error}");
}

#[test]
fn unknown_versions_are_not_guessed() {
    let mut bytes = super::encoding::lane(&lane(1), &[BaseUnits(20)]);
    bytes[0] = 3;
    let error = super::encoding::read_lane(&bytes).expect_err("version 3 is not known");
    assert!(error.to_string().contains("version 3"), "{error}");
    assert!(super::encoding::read_lane(&[]).is_err());
    assert!(super::encoding::read_lane(&[1, 0]).is_err());
    assert!(super::encoding::read_lane(&[2, 0]).is_err());
}

#[test]
fn measures_commits_and_cleans_up() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let timings = super::probe_commits(directory.path(), 3).expect("the directory is writable");
    assert_eq!(timings.len(), 3);
    let left = std::fs::read_dir(directory.path())
        .expect("readable")
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn tickets_come_true_in_order() {
    let store = MemoryStore::default();
    let writer = Writer::start(Box::new(store.clone())).expect("there is a thread");
    let tickets: Vec<_> = (0..100)
        .map(|charged| writer.enqueue(vec![Record::Lane(key(1), lane(charged))]))
        .collect();
    for ticket in tickets {
        ticket.durable().await.expect("memory does not fail");
    }
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(99))]);
    writer.close();
    let late = writer.enqueue(vec![]);
    assert_eq!(late.durable().await, Err(StoreFailed));
}

#[tokio::test]
async fn a_failed_store_fails_for_good() {
    let store = MemoryStore::default();
    let fails = Arc::clone(&store.fails);
    let writer = Writer::start(Box::new(store.clone())).expect("there is a thread");
    let first = writer.enqueue(vec![Record::Lane(key(1), lane(1))]);
    first.durable().await.expect("the store works");
    fails.store(true, Ordering::SeqCst);
    let second = writer.enqueue(vec![Record::Lane(key(1), lane(2))]);
    assert_eq!(second.durable().await, Err(StoreFailed));
    // The writer stays failed even if the store works again.
    fails.store(false, Ordering::SeqCst);
    let third = writer.enqueue(vec![Record::Lane(key(1), lane(3))]);
    assert_eq!(third.durable().await, Err(StoreFailed));
    assert!(!writer.is_available());
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(1))]);
}

/// Longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn what_nobody_waits_for_goes_with_what_somebody_waits_for() {
    let store = MemoryStore::default();
    let writer = Writer::start_with(Box::new(store.clone()), FOR_EVER).expect("a thread");
    let reservation = writer.enqueue(vec![Record::Lane(key(1), lane(1))]);
    let charge = writer.enqueue(vec![Record::Lane(key(1), lane(2))]);
    charge.durable().await.expect("memory does not fail");
    reservation.durable().await.expect("it was before");
    assert_eq!(store.commits.load(Ordering::SeqCst), 1);
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(2))]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_before_an_answer_is_read_and_at_the_end() {
    let store = MemoryStore::default();
    let writer = Writer::start_with(Box::new(store.clone()), FOR_EVER).expect("a thread");
    let id = ReservationId(1);
    let _ticket = writer.enqueue(vec![Record::Answer(id, answer("kept"))]);
    assert_eq!(writer.remembered(id).await, Ok(with_answer("kept")));
    let _ticket = writer.enqueue(vec![Record::Lane(key(1), lane(1))]);
    writer.close();
    assert_eq!(store.commits.load(Ordering::SeqCst), 2);
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(1))]);
}

#[test]
fn what_nobody_ever_waits_for_is_written_all_the_same() {
    let store = MemoryStore::default();
    let writer = Writer::start(Box::new(store.clone())).expect("there is a thread");
    let _ticket = writer.enqueue(vec![Record::Lane(key(1), lane(1))]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.commits.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "it is still in memory");
        std::thread::yield_now();
    }
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(1))]);
}

#[tokio::test]
async fn a_busy_writer_writes_everything_in_order() {
    let store = MemoryStore::default();
    let writer = Writer::start(Box::new(store.clone())).expect("there is a thread");
    // Commits of eight batches and more: the writer is busy, and lets batches gather.
    for round in 0..20 {
        let tickets: Vec<_> = (0..16)
            .map(|number| writer.enqueue(vec![Record::Lane(key(1), lane(round * 16 + number))]))
            .collect();
        for ticket in tickets {
            ticket.durable().await.expect("memory does not fail");
        }
    }
    let state = store.clone().load().expect("memory loads");
    assert_eq!(state.lanes, vec![(key(1), lane(319))]);
}

#[derive(Debug)]
struct Panics;

impl Store for Panics {
    fn read(&mut self, _: &mut UnreadableRecord<'_>) -> Result<StoredState, super::StoreError> {
        Ok(StoredState::default())
    }

    fn commit(&mut self, _records: &[Record]) -> Result<(), super::StoreError> {
        panic!("the test says so")
    }

    fn remembered(&mut self, _id: ReservationId) -> Result<Remembered, super::StoreError> {
        Err(super::StoreError::database("the test says so"))
    }
}

#[tokio::test]
async fn an_answer_is_read_after_what_was_queued_before() {
    let store = MemoryStore::default();
    let writer = Writer::start(Box::new(store.clone())).expect("there is a thread");
    let id = ReservationId(1);
    let _ticket = writer.enqueue(vec![Record::Answer(id, answer("first"))]);
    let _ticket = writer.enqueue(vec![Record::Answer(id, answer("second"))]);
    assert_eq!(writer.remembered(id).await, Ok(with_answer("second")));
    let _ticket = writer.enqueue(vec![Record::AnswerForgotten(id)]);
    assert_eq!(writer.remembered(id).await, Ok(Remembered::default()));

    store.fails.store(true, Ordering::SeqCst);
    let _ticket = writer.enqueue(vec![]);
    assert_eq!(writer.remembered(id).await, Err(StoreFailed));
    assert_eq!(writer.remembered(id).await, Err(StoreFailed));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_has_failed() {
    let writer = Writer::start(Box::new(Panics)).expect("there is a thread");
    let remembered = writer.remembered(ReservationId(1)).await;
    assert_eq!(remembered, Err(StoreFailed));
    assert!(writer.has_failed());
}

#[tokio::test]
async fn a_store_that_panics_has_failed() {
    let writer = Writer::start(Box::new(Panics)).expect("there is a thread");
    let ticket = writer.enqueue(vec![Record::Lane(key(1), lane(1))]);
    assert_eq!(ticket.durable().await, Err(StoreFailed));
    assert!(writer.has_failed() && !writer.is_available());
    writer.close();
}
