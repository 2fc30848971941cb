//! Tests of the audit: each finding, caused by one change to a store without findings.

use std::fs;

use farthing_protocol::{BaseUnits, Domain, LaneIndex};
use redb::{Database, TableDefinition};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::audit;
use crate::record::audit::AuditedLane;
use crate::record::audit::{Finding, inconsistencies};
use crate::record::{MAX_USED_VALUES, Record, ReservationId, StoredState};
use crate::store::releases::{imported_sample, sample};
use crate::store::{RedbStore, Store, StoreError, export, import_file};

/// Findings after a change.
fn found(change: impl FnOnce(&mut StoredState)) -> Vec<Finding> {
    let mut state = sample();
    change(&mut state);
    inconsistencies(&state)
}

fn lane(index: usize) -> AuditedLane {
    AuditedLane(sample().lanes[index].0)
}

#[test]
fn a_sound_store_has_no_findings() {
    assert_eq!(inconsistencies(&sample()), []);
    assert_eq!(inconsistencies(&StoredState::default()), []);
}

#[test]
fn outcomes_say_what_their_lanes_do() {
    let (id, units) = (ReservationId(40), BaseUnits);
    let not_charged = |lane, outcome, total, charged| Finding::OutcomeNotCharged {
        id,
        lane,
        outcome: units(outcome),
        total: units(total),
        charged: units(charged),
    };
    let findings = found(|state| state.outcomes[0].1.charged_total = units(301));
    assert_eq!(findings, [not_charged(lane(0), 45, 301, 300)]);
    let findings = found(|state| state.outcomes[0].1.charged = units(0));
    assert_eq!(findings, [not_charged(lane(0), 0, 300, 300)]);
    let findings = found(|state| state.outcomes[0].1.charged = units(301));
    assert_eq!(findings, [not_charged(lane(0), 301, 300, 300)]);
    let findings = found(|state| state.outcomes[0].1.lane.lane = LaneIndex(9));
    assert_eq!(findings, [], "it outlives its lane");

    let findings = found(|state| {
        let in_flight = state.reservations[1].1.request;
        state.outcomes[0].1.request = in_flight.expect("it has a key");
    });
    assert_eq!(findings, [Finding::KeyTwice { id }]);
    let findings = found(|state| {
        let outcome = state.outcomes[0].1;
        state.outcomes.push((ReservationId(42), outcome));
    });
    let id = ReservationId(42);
    assert_eq!(findings, [Finding::KeyTwice { id }]);
}

#[test]
fn lanes_keep_the_rules_of_acceptance() {
    let (first, units) = (lane(0), BaseUnits);
    let findings = found(|state| state.lanes[0].1.authorized = units(419));
    let reserved = Finding::ReservedAboveAuthorized {
        lane: first,
        charged: units(300),
        reserved: units(120),
        authorized: units(419),
    };
    let out_of_range = |value| Finding::UsedOutOfRange {
        lane: first,
        value: units(value),
        above: units(300),
        authorized: units(419),
    };
    assert_eq!(findings, [reserved, out_of_range(500), out_of_range(1_000)]);

    let findings = found(|state| {
        state.lanes[1].1.charged = units(251);
    });
    let charged = Finding::ChargedAboveAuthorized {
        lane: lane(1),
        charged: units(251),
        authorized: units(250),
    };
    assert_eq!(findings, [charged]);

    let findings = found(|state| {
        state.lanes[2].1.authorized.0 += 1;
    });
    assert_eq!(findings, [Finding::CeilingTooFarAhead(lane(2))]);
    let findings = found(|state| state.lanes[1].1.signature = None);
    assert_eq!(findings, [Finding::Unsigned(lane(1))]);
    let findings = found(|state| state.lanes[1].1.floor = units(251));
    let floor = Finding::FloorAboveAuthorized {
        lane: lane(1),
        floor: units(251),
        authorized: units(250),
    };
    assert_eq!(findings, [floor]);
    let findings = found(|state| state.lanes[1].1.settled = units(251));
    let settled = Finding::SettledAboveCharged {
        lane: lane(1),
        settled: units(251),
        charged: units(250),
    };
    assert_eq!(findings, [settled]);
    let findings = found(|state| {
        state.channels.remove(0);
        state.settlements.clear();
    });
    let unknown: Vec<_> = (0..3).map(lane).map(Finding::LaneWithoutChannel).collect();
    assert_eq!(findings, unknown);
}

#[test]
fn used_values_are_above_floor_and_charge() {
    let units = BaseUnits;
    let (key, _) = sample().lanes[0];
    for (floor, value) in [(2, 300), (499, 499), (2, 1_001)] {
        let findings = found(|state| {
            state.lanes[0].1.floor = units(floor);
            state.used.push((key, units(value)));
        });
        let expected = Finding::UsedOutOfRange {
            lane: lane(0),
            value: units(value),
            above: units(floor.max(300)),
            authorized: units(1_000),
        };
        assert_eq!(findings, [expected]);
    }
    let mut unknown = key;
    unknown.lane = LaneIndex(9);
    let findings = found(|state| state.used.push((unknown, units(1))));
    let expected = Finding::UsedWithoutLane {
        lane: AuditedLane(unknown),
        value: units(1),
    };
    assert_eq!(findings, [expected]);

    let with = |count: u64| {
        found(|state| {
            let (key, lane) = &mut state.lanes[2];
            lane.floor = lane.charged;
            let values = (0..count).map(|value| units(1_000 + value));
            state.used = values.map(|value| (*key, value)).collect();
        })
    };
    let most = MAX_USED_VALUES as u64;
    assert_eq!(with(most), []);
    let too_many = Finding::TooManyUsedValues {
        lane: lane(2),
        count: MAX_USED_VALUES + 1,
    };
    assert_eq!(with(most + 1), [too_many]);
}

#[test]
fn requests_in_flight_are_of_lanes_and_within_their_maximum() {
    let (mut key, _) = sample().lanes[0];
    key.domain = Domain([9; 32]);
    let findings = found(|state| state.reservations[0].1.key = key);
    let expected = Finding::ReservationWithoutLane {
        id: ReservationId(41),
        lane: AuditedLane(key),
    };
    assert_eq!(findings, [expected]);
    let findings = found(|state| state.reservations[1].1.checkpoint = BaseUnits(91));
    let expected = Finding::CheckpointAboveMaximum {
        id: ReservationId(300),
        checkpoint: BaseUnits(91),
        maximum: BaseUnits(90),
    };
    assert_eq!(findings, [expected]);
    let findings = found(|state| state.reservations[1].1.maximum = BaseUnits(u64::MAX));
    assert!(matches!(
        findings[..],
        [Finding::ReservedAboveAuthorized { .. }]
    ));
}

#[test]
fn settlements_claim_what_was_charged() {
    let signature = Signature::from([6; 64]);
    let findings = found(|state| state.settlements[0].channel = Pubkey::default());
    assert_eq!(findings, [Finding::SettlementWithoutChannel(signature)]);
    for change in [0, 1, 64] {
        let findings = found(|state| state.settlements[0].transaction[change] = 2);
        assert_eq!(
            findings,
            [Finding::SettlementOfAnotherTransaction(signature)]
        );
    }
    let findings = found(|state| state.settlements[0].transaction.clear());
    assert_eq!(
        findings,
        [Finding::SettlementOfAnotherTransaction(signature)]
    );

    let above = |lane, debit_to, charged| Finding::ClaimedAboveCharged {
        settlement: signature,
        lane,
        debit_to: BaseUnits(debit_to),
        charged: BaseUnits(charged),
    };
    let findings = found(|state| state.settlements[0].claims[0].debit_to = BaseUnits(301));
    assert_eq!(findings, [above(lane(0), 301, 300)]);
    let findings = found(|state| state.settlements[0].claims[0].lane = LaneIndex(9));
    let mut unknown = lane(0);
    unknown.0.lane = LaneIndex(9);
    assert_eq!(findings, [above(unknown, 300, 0)]);
}

const LANES: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("lanes");
const USED: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("used");
const NEWER: TableDefinition<'static, u64, u64> = TableDefinition::new("newer");

#[test]
fn records_of_other_versions_are_found_and_never_loaded() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    let mut store = RedbStore::open(&path).expect("it opens");
    let (key, lane) = sample().lanes[0];
    let channel = sample().channels[0];
    let records = [
        Record::Channel(channel.domain, channel.address),
        Record::Lane(key, lane),
    ];
    store.commit(&records).expect("it is written");
    drop(store);
    let database = Database::open(&path).expect("it opens");
    let transaction = database.begin_write().expect("nobody else writes");
    let mut lanes = transaction.open_table(LANES).expect("a table");
    lanes.insert(&[1, 2][..], &[3][..]).expect("room");
    drop(lanes);
    let mut used = transaction.open_table(USED).expect("a table");
    used.insert(&[0; 44][..], &[7][..]).expect("room");
    drop(used);
    drop(transaction.open_table(NEWER).expect("a table"));
    transaction.commit().expect("it is written");
    drop(database);

    let mut store = RedbStore::open_read_only(&path).expect("it opens");
    let (state, findings) = audit(&mut store).expect("the rest is readable");
    assert_eq!(state.lanes, [(key, lane)]);
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(
        findings[0].contains("table that this version cannot read: newer"),
        "{findings:?}"
    );
    assert!(findings[1].contains("key 5T: "), "{findings:?}");
    assert!(
        findings[1].contains("lane that this version cannot read: version 3"),
        "{findings:?}"
    );
    assert!(
        findings[2].contains("used value that this version cannot read: version 7"),
        "{findings:?}"
    );
    let error = store.load().expect_err("nothing is guessed");
    assert!(
        matches!(error, StoreError::Unreadable { what: "table", .. }),
        "{error}"
    );
    let message = error.to_string();
    assert!(message.contains("store.redb: newer"), "{message}");
}

#[test]
fn a_store_in_use_is_not_looked_at_and_a_damaged_one_says_so() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    let error = RedbStore::open_read_only(&path).expect_err("there is none");
    assert!(error.to_string().contains("store.redb"), "{error}");
    let mut text = Vec::new();
    export(&sample(), &mut text).expect("memory takes everything");
    import_file(text.as_slice(), &path).expect("there is room");
    let mut serving = RedbStore::open(&path).expect("it opens");
    serving.load().expect("it loads");
    let error = RedbStore::open_read_only(&path).expect_err("a verifier has it");
    assert!(error.to_string().contains("store.redb"), "{error}");
    // A file as a crash leaves it: the next start would repair it, a read-only opening must not.
    let crashed = directory.path().join("crashed.redb");
    let left = fs::read(&path).expect("readable");
    fs::write(&crashed, &left).expect("writable");
    let mut store = RedbStore::open_read_only(&crashed).expect("it opens");
    assert_eq!(
        audit(&mut store).expect("it reads"),
        (imported_sample(), vec![])
    );
    drop(store);
    assert!(fs::read(&crashed).expect("readable") == left);
    drop(serving);

    let first = RedbStore::open_read_only(&path).expect("it opens");
    let second = RedbStore::open_read_only(&path).expect("two may look at it");
    let error = RedbStore::open(&path).expect_err("nobody serves what is looked at");
    assert!(error.to_string().contains("store.redb"), "{error}");
    drop((first, second));

    fs::write(&path, b"not a database".repeat(1_000)).expect("writable");
    let error = RedbStore::open_read_only(&path).expect_err("it is something else");
    assert!(error.to_string().contains("store.redb"), "{error}");
}

#[test]
fn a_damaged_store_is_never_read_as_another() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    let mut text = Vec::new();
    export(&sample(), &mut text).expect("memory takes everything");
    import_file(text.as_slice(), &path).expect("there is room");
    let whole = fs::read(&path).expect("readable");
    let mut refused = 0;
    // Every byte of the header, then steps of a prime length, so that all parts of a page are covered.
    for position in (0..320).chain((320..whole.len()).step_by(1_009)) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x10;
        fs::write(&path, damaged).expect("writable");
        match RedbStore::open_read_only(&path).and_then(|mut store| audit(&mut store)) {
            Ok(found) => assert_eq!(found, (imported_sample(), vec![]), "byte {position}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "something of the file matters");
}
