//! Conformance tests that every backend must pass: the part of the contract that can be checked without failures. Power
//! cuts and failing disks are tested below the backend, where they can be simulated.

pub(crate) mod samples;
pub(crate) mod seeded;
pub(crate) mod workload;

use farthing_protocol::{BaseUnits, Domain};
use solana_sdk::pubkey::Pubkey;

use super::Store;
use crate::record::{
    ChannelRecord, Record, Remembered, ReservationId, ReservationRecord, StoredState,
};
use samples::{answer, key, lane, outcome, receipt, request, reservation, settlement, with_answer};
use workload::Workload;

/// Commits of the random workload.
const COMMITS: usize = 120;
/// Batches in the largest commit of the random workload.
const LARGEST: usize = 40;
/// Commits between two restarts.
const COMMITS_PER_RUN: usize = 7;

/// Checks a backend. `reopen` opens the same store again, as after a restart; it is empty at first.
///
/// # Panics
/// If the backend breaks the contract.
pub fn check(mut reopen: impl FnMut() -> Box<dyn Store>) {
    kinds_of_records(&mut reopen);
    empty(&mut reopen);
    whatever_a_verifier_writes(&mut reopen);
}

/// Removes everything that a store holds, by records alone.
fn empty(reopen: &mut impl FnMut() -> Box<dyn Store>) {
    let mut store = reopen();
    let state = store.load().expect("what was written loads");
    let used = state.used.iter();
    let mut records: Vec<Record> = used
        .map(|(key, value)| Record::Forgotten(*key, *value))
        .collect();
    let lanes = state.lanes.iter();
    records.extend(lanes.map(|(key, _)| Record::LaneForgotten(*key)));
    let channels = state.channels.iter();
    records.extend(channels.map(|channel| Record::ChannelForgotten(channel.domain)));
    records.extend(
        state
            .reservations
            .iter()
            .map(|(id, _)| Record::Completed(*id)),
    );
    records.extend(
        state
            .outcomes
            .iter()
            .map(|(id, _)| Record::OutcomeForgotten(*id)),
    );
    store.commit(&records).expect("a commit succeeds");
}

/// Commits the records of a busy verifier, with restarts, and compares the store with the reference tables.
fn whatever_a_verifier_writes(reopen: &mut impl FnMut() -> Box<dyn Store>) {
    let workload = Workload::new(11, COMMITS, LARGEST);
    let before = reopen().load().expect("what was written loads");
    assert_eq!(
        before,
        StoredState::default(),
        "records end what records began"
    );
    let mut commits = workload.commits.iter().zip(&workload.states[1..]);
    loop {
        let mut store = reopen();
        store.load().expect("what was written loads");
        let mut expected = None;
        for (records, state) in commits.by_ref().take(COMMITS_PER_RUN) {
            store.commit(records).expect("a commit succeeds");
            expected = Some(state);
        }
        let Some(expected) = expected else {
            return;
        };
        drop(store);
        let found = reopen().load().expect("what was written loads");
        assert_eq!(found, *expected);
    }
}

/// Checks the effect of each kind of record.
fn kinds_of_records(reopen: &mut impl FnMut() -> Box<dyn Store>) {
    let mut store = reopen();
    assert_eq!(
        store.load().expect("an empty store loads"),
        StoredState::default()
    );
    store
        .commit(&[
            Record::Channel(Domain([3; 32]), Pubkey::new_from_array([4; 32])),
            Record::Lane(key(1), lane(10)),
            // The later record of a key wins, within a commit and between commits.
            Record::Lane(key(1), lane(11)),
            Record::Used(key(1), BaseUnits(300)),
            Record::Used(key(1), BaseUnits(20)),
            Record::Used(key(1), BaseUnits(30)),
            Record::Forgotten(key(1), BaseUnits(20)),
            Record::Reservation(ReservationId(1), reservation(0)),
            Record::Reservation(ReservationId(2), reservation(0)),
            Record::Settlement(settlement()),
            Record::Outcome(ReservationId(3), outcome(Some(4))),
            Record::Answer(ReservationId(3), answer("an answer")),
            Record::Outcome(ReservationId(4), outcome(Some(4))),
            Record::Answer(ReservationId(4), answer("another")),
            Record::Receipt(ReservationId(4), receipt(5)),
            Record::Receipt(ReservationId(4), receipt(6)),
            Record::Outcome(ReservationId(6), outcome(None)),
            Record::Receipt(ReservationId(6), receipt(7)),
            Record::Imported,
        ])
        .expect("a commit succeeds");
    drop(store);

    let mut store = reopen();
    let expected = StoredState {
        channels: vec![ChannelRecord {
            domain: Domain([3; 32]),
            address: Pubkey::new_from_array([4; 32]),
        }],
        lanes: vec![(key(1), lane(11))],
        used: vec![(key(1), BaseUnits(30)), (key(1), BaseUnits(300))],
        reservations: vec![
            (ReservationId(1), reservation(0)),
            (ReservationId(2), reservation(0)),
        ],
        settlements: vec![settlement()],
        outcomes: vec![
            (ReservationId(3), outcome(Some(4))),
            (ReservationId(4), outcome(Some(4))),
            (ReservationId(6), outcome(None)),
        ],
        is_imported: true,
    };
    assert_eq!(store.load().expect("what was written loads"), expected);
    let another = Remembered {
        receipt: Some(receipt(6)),
        ..with_answer("another")
    };
    let no_answer = Remembered {
        answer: None,
        receipt: Some(receipt(7)),
    };
    for (id, expected) in [
        (3, with_answer("an answer")),
        (4, another),
        (5, Remembered::default()),
        (6, no_answer),
    ] {
        let found = store.remembered(ReservationId(id)).expect("it reads");
        assert_eq!(found, expected, "{id}");
    }
    let with_key = ReservationRecord {
        request: Some(request()),
        held_seconds: Some(300),
        ..reservation(7)
    };
    store
        .commit(&[
            Record::Reservation(ReservationId(1), with_key),
            Record::Completed(ReservationId(2)),
            Record::Completed(ReservationId(99)),
            Record::Forgotten(key(1), BaseUnits(300)),
            Record::SettlementEnded(settlement().signature),
            Record::Receipt(ReservationId(3), receipt(8)),
            Record::AnswerForgotten(ReservationId(3)),
            Record::Outcome(ReservationId(3), outcome(None)),
            Record::OutcomeForgotten(ReservationId(4)),
            Record::OutcomeForgotten(ReservationId(6)),
            Record::OutcomeForgotten(ReservationId(99)),
            Record::AnswerForgotten(ReservationId(99)),
            Record::Reconciled,
            Record::LaneForgotten(key(99)),
            Record::ChannelForgotten(Domain([99; 32])),
        ])
        .expect("ending what never began is no error");
    drop(store);

    let mut store = reopen();
    let state = store.load().expect("what was written loads");
    let expected = StoredState {
        used: vec![(key(1), BaseUnits(30))],
        reservations: vec![(ReservationId(1), with_key)],
        settlements: vec![],
        outcomes: vec![(ReservationId(3), outcome(None))],
        is_imported: false,
        ..expected
    };
    assert_eq!(state, expected);
    let only_receipt = Remembered {
        answer: None,
        receipt: Some(receipt(8)),
    };
    for (id, expected) in [
        (3, only_receipt),
        (4, Remembered::default()),
        (6, Remembered::default()),
    ] {
        let found = store.remembered(ReservationId(id)).expect("it reads");
        assert_eq!(
            found, expected,
            "they go with their outcome, an answer perhaps before"
        );
    }
}
