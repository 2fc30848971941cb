//! Compatibility tests: this version opens the stores of every release and reads their content.
//!
//! `verifier/fixtures/stores/<release>.redb` is a store as that release left it, `<release>.jsonl` its export. Both are
//! written once, by running the tests with `FARTHING_BLESS=1` while they do not exist, and never changed: a version
//! that cannot read them must not be released. A new version of a record needs a new pair of files.

use std::fs;
use std::path::PathBuf;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{RedbStore, Store, audit, export, import_file, read_export};
use crate::record::{
    ChannelRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, Record, RequestKey,
    ReservationId, ReservationRecord, SettlementRecord, StoredState,
};

/// The releases that have fixtures; a suffix names what was added within a release.
const RELEASES: [&str; 4] = ["0.1.0", "0.1.0+outcomes", "0.1.0+settled", "0.1.0+held"];

fn path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/stores");
    PathBuf::from(folder).join(name)
}

fn key(lane: u16, generation: u16) -> LaneKey {
    LaneKey {
        domain: Domain([3; 32]),
        lane: LaneIndex(lane),
        generation: Generation(generation),
    }
}

/// The state of a store in use: [`before_held`], with one of its reservations held.
pub(super) fn sample() -> StoredState {
    let mut state = before_held();
    state.reservations[0].1.held_seconds = Some(300);
    state
}

/// [`before_settled`], with a part of one lane's charge settled.
fn before_held() -> StoredState {
    let mut state = before_settled();
    state.lanes[1].1.settled = BaseUnits(240);
    state
}

/// [`before_outcomes`], with two requests with an idempotency key: one in flight, and one that has ended.
fn before_settled() -> StoredState {
    let mut state = before_outcomes();
    let request = |key: u8| RequestKey {
        key: [key; 32],
        digest: [8; 32],
    };
    state.reservations[1].1.request = Some(request(7));
    let outcome = OutcomeRecord {
        lane: key(0, 1),
        request: request(9),
        charged: BaseUnits(45),
        charged_total: BaseUnits(300),
        reserved: BaseUnits(120),
        authorized: BaseUnits(1_000),
        deposit: BaseUnits(5_000),
        ended_at: 86_399,
        answer_bytes: None,
    };
    state.outcomes.push((ReservationId(40), outcome));
    state
}

/// The state of [`sample`] after an import.
pub(super) fn imported_sample() -> StoredState {
    StoredState {
        is_imported: true,
        ..sample()
    }
}

/// The state of a store in use: two incarnations of a channel, a rotated lane, requests in flight and a pending
/// settlement.
fn before_outcomes() -> StoredState {
    let lane = |authorized: u64, charged: u64, floor: u64| LaneRecord {
        authorized: BaseUnits(authorized),
        signature: Some([5; 64]),
        charged: BaseUnits(charged),
        floor: BaseUnits(floor),
        settled: BaseUnits::ZERO,
    };
    let reservation = |lane: u16, maximum: u64, checkpoint: u64| ReservationRecord {
        key: key(lane, 1),
        maximum: BaseUnits(maximum),
        checkpoint: BaseUnits(checkpoint),
        request: None,
        held_seconds: None,
    };
    let channel = |domain: u8| ChannelRecord {
        domain: Domain([domain; 32]),
        address: Pubkey::new_from_array([4; 32]),
    };
    let mut transaction = vec![1];
    transaction.extend([6; 64]);
    transaction.extend(*b"a message");
    StoredState {
        channels: vec![channel(3), channel(4)],
        lanes: vec![
            (key(0, 1), lane(1_000, 300, 2)),
            (key(1, 0), lane(250, 250, 0)),
            (key(1, 1), lane(4_294_967_545, 250, 240)),
        ],
        used: vec![
            (key(0, 1), BaseUnits(500)),
            (key(0, 1), BaseUnits(1_000)),
            (key(1, 1), BaseUnits(4_294_967_545)),
        ],
        reservations: vec![
            (ReservationId(41), reservation(0, 120, 0)),
            (ReservationId(300), reservation(1, 90, 45)),
        ],
        settlements: vec![SettlementRecord {
            signature: Signature::from([6; 64]),
            last_valid_block_height: 77,
            transaction,
            channel: Pubkey::new_from_array([4; 32]),
            domain: Domain([3; 32]),
            claims: vec![
                ClaimRecord {
                    lane: LaneIndex(0),
                    generation: Generation(1),
                    debit_to: BaseUnits(300),
                    owed: BaseUnits(60),
                },
                ClaimRecord {
                    lane: LaneIndex(1),
                    generation: Generation(1),
                    debit_to: BaseUnits(250),
                    owed: BaseUnits(10),
                },
            ],
        }],
        outcomes: vec![],
        is_imported: false,
    }
}

/// Writes the fixtures of the current release, which must be new.
fn bless(release: &str) {
    let release_of = release.split('+').next();
    assert_eq!(release_of, Some(env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    export(&sample(), &mut text).expect("memory takes everything");
    let store = path(&format!("{release}.redb"));
    fs::create_dir_all(store.parent().expect("it has one")).expect("writable");
    import_file(text.as_slice(), &store).expect("the fixture can be written");
    // A store that a verifier used also has free space of removed records.
    let mut open = RedbStore::open(&store).expect("it opens");
    open.commit(&[Record::Reconciled])
        .expect("the fixture can be written");
    let ended = ReservationId(301);
    let (_, reservation) = sample().reservations[0];
    for record in [
        Record::Reservation(ended, reservation),
        Record::Used(key(0, 1), BaseUnits(600)),
        Record::Completed(ended),
        Record::Forgotten(key(0, 1), BaseUnits(600)),
    ] {
        open.commit(&[record]).expect("the fixture can be written");
    }
    fs::write(path(&format!("{release}.jsonl")), text).expect("the fixture can be written");
}

#[test]
fn stores_of_every_release_open() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    for release in RELEASES {
        let fixture = path(&format!("{release}.redb"));
        if !fixture.exists() && std::env::var_os("FARTHING_BLESS").is_some() {
            bless(release);
        }
        let original = fs::read(&fixture).expect("there is a store of every release");
        let text = fs::read_to_string(path(&format!("{release}.jsonl"))).expect("and its export");
        let (expected, _) = read_export(text.as_bytes()).expect("the export is whole");

        let mut looked_at = RedbStore::open_read_only(&fixture).expect("it opens");
        let (state, findings) = audit(&mut looked_at).expect("it reads");
        assert_eq!(state, expected, "{release}");
        assert_eq!(findings, [], "{release}");
        let mut again = Vec::new();
        export(&state, &mut again).expect("memory takes everything");
        let (again, _) = read_export(again.as_slice()).expect("what is exported is whole");
        assert_eq!(again, expected, "{release}");
        drop(looked_at);
        let left = fs::read(&fixture).expect("readable");
        assert!(left == original, "who only looks changes nothing");

        // A verifier opens the store for writing.
        let copy = directory.path().join("copy.redb");
        fs::write(&copy, original).expect("writable");
        let mut served = RedbStore::open(&copy).expect("it opens");
        assert_eq!(served.load().expect("it loads"), expected, "{release}");
    }
}

#[test]
fn the_sample_is_what_the_present_release_left() {
    let samples = [before_outcomes(), before_settled(), before_held(), sample()];
    for (release, sample) in RELEASES.into_iter().zip(samples) {
        let text = fs::read(path(&format!("{release}.jsonl"))).expect("there is an export of it");
        let (state, _) = read_export(text.as_slice()).expect("it is whole");
        assert_eq!(state, sample, "{release}");
    }
    let newest = fs::read(path(&format!("{}.jsonl", RELEASES[RELEASES.len() - 1])));
    let mut present = Vec::new();
    export(&sample(), &mut present).expect("memory takes everything");
    assert_eq!(
        present,
        newest.expect("there is an export of it"),
        "the shape has changed"
    );
}
