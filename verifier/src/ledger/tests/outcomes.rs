//! Idempotent retries: which outcomes are kept, for how long, and that nothing is charged twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use super::{NOW, facts, key, lane_facts, one_lane, voucher, voucher_of};
use crate::ledger::{ChannelFacts, Earlier, Ledger, OutcomeLimits, Refusal};
use crate::ports::Moment;
use crate::record::audit::inconsistencies;
use crate::record::tables::Tables;
use crate::record::{AnswerRecord, ReceiptRecord, Record, Remembered, RequestKey, ReservationId};

fn request(key: u8, digest: u8) -> RequestKey {
    RequestKey {
        key: [key; 32],
        digest: [digest; 32],
    }
}

fn receipt(bytes: usize) -> ReceiptRecord {
    ReceiptRecord {
        issued_at: bytes as u64,
        sold: "{}".to_owned(),
    }
}

fn answer(bytes: usize) -> AnswerRecord {
    AnswerRecord {
        body: vec![1; bytes],
        ..AnswerRecord::default()
    }
}

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// A ledger and the store that it writes to.
struct Books {
    facts: Arc<ChannelFacts>,
    ledger: Ledger,
    store: Tables,
    limits: OutcomeLimits,
    /// The next voucher value, so that none is used twice.
    value: u64,
}

impl Books {
    fn new(limits: OutcomeLimits) -> Self {
        let lanes = vec![lane_facts(1_000_000, 0), lane_facts(1_000_000, 0)];
        let mut books = Self {
            facts: Arc::new(facts(1_000_000, lanes)),
            ledger: Ledger::default(),
            store: Tables::default(),
            limits,
            value: 100_000,
        };
        books.restart(at(0));
        books
    }

    fn commit(&mut self, records: &[Record]) {
        self.store.apply(records);
    }

    fn restart(&mut self, now: Moment) {
        let state = self.store.state();
        let (ledger, records) = Ledger::restore(state, self.limits, now);
        self.commit(&records);
        self.ledger = ledger;
    }

    fn begin(&mut self, lane: u16, request: RequestKey) -> ReservationId {
        self.value += 1;
        let voucher = voucher_of(lane, 0, self.value);
        let decision = self
            .ledger
            .accept(&self.facts, &voucher, BaseUnits(10), Some(request), NOW)
            .expect("there is room");
        self.commit(&decision.records);
        decision.reservation
    }

    fn end(&mut self, id: ReservationId, actual: u64, bytes: Option<usize>, now: Moment) {
        let remembered = Remembered {
            answer: bytes.map(answer),
            receipt: bytes.map(receipt),
        };
        let decision = self
            .ledger
            .complete(id, BaseUnits(actual), remembered, now)
            .expect("it is in flight");
        self.commit(&decision.records);
    }

    /// What a request was charged, and whether its answer is stored, if its outcome is kept.
    fn remembered(&mut self, request: RequestKey) -> Option<(u64, bool)> {
        match self.ledger.earlier(&request).expect("it asks for the same") {
            Some(Earlier::Ended(id, outcome)) => {
                let Remembered { answer, .. } = self.store.remembered(id);
                let length = answer.as_ref().map(AnswerRecord::length);
                assert_eq!(outcome.answer_bytes, length);
                Some((outcome.charged.0, answer.is_some()))
            }
            Some(Earlier::InFlight(_)) | None => None,
        }
    }
}

#[test]
fn a_key_belongs_to_one_request() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000, 1_000));
    let (first, other) = (request(1, 1), request(1, 2));
    assert_eq!(ledger.earlier(&first), Ok(None));
    let decision = ledger
        .accept(&facts, &voucher(100), BaseUnits(10), Some(first), NOW)
        .expect("the rules allow it");
    let id = decision.reservation;
    assert_eq!(ledger.earlier(&first), Ok(Some(Earlier::InFlight(id))));
    assert_eq!(ledger.earlier(&other), Err(Refusal::KeyReused));
    ledger.complete(id, BaseUnits(4), Remembered::default(), at(1));
    match ledger.earlier(&first) {
        Ok(Some(Earlier::Ended(ended, outcome))) => {
            assert_eq!(ended, id);
            assert_eq!((outcome.charged, outcome.lane), (BaseUnits(4), key(0)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger.earlier(&other), Err(Refusal::KeyReused));
    assert_eq!(ledger.earlier(&request(2, 1)), Ok(None));
}

#[test]
fn what_was_charged_nothing_may_be_asked_anew() {
    let mut books = Books::new(OutcomeLimits::default());
    let id = books.begin(0, request(1, 1));
    books.end(id, 0, Some(5), at(1));
    assert_eq!(books.ledger.earlier(&request(1, 1)), Ok(None));
    // The idempotency key may now be used for another request as well.
    let id = books.begin(0, request(1, 2));
    books.end(id, 3, Some(5), at(1));
    assert_eq!(books.remembered(request(1, 2)), Some((3, true)));
    assert_eq!(books.ledger.outcomes(), 1);
}

#[test]
fn a_crash_keeps_outcomes_and_charges_checkpoints() {
    let mut books = Books::new(OutcomeLimits::default());
    let ended = books.begin(0, request(1, 1));
    books.end(ended, 3, Some(5), at(1));
    let stream = books.begin(0, request(2, 1));
    let record = books.ledger.checkpoint(stream, BaseUnits(7));
    books.commit(&[record.expect("it is in flight")]);
    let _unfinished = books.begin(0, request(3, 1));
    books.restart(at(0));
    assert_eq!(books.remembered(request(1, 1)), Some((3, true)));
    assert_eq!(books.remembered(request(2, 1)), Some((7, false)));
    assert_eq!(books.ledger.earlier(&request(3, 1)), Ok(None));
    // Request ids continue after the restart, so that no outcome is taken for another request's.
    let next = books.begin(0, request(4, 1));
    assert!(next > stream);
}

#[test]
fn outcomes_expire_by_the_time_that_verifiers_ran() {
    let limits = OutcomeLimits {
        max_age: Duration::from_secs(100),
        ..OutcomeLimits::default()
    };
    let mut books = Books::new(limits);
    let id = books.begin(0, request(1, 1));
    books.end(id, 1, Some(5), at(60));
    // Another process, whose clock starts at another time.
    books.restart(at(5_000));
    let id = books.begin(0, request(2, 1));
    books.end(id, 1, Some(5), at(5_100));
    assert_eq!(books.remembered(request(1, 1)), Some((1, true)));
    let id = books.begin(0, request(3, 1));
    books.end(id, 1, Some(5), at(5_101));
    assert_eq!(books.remembered(request(1, 1)), None);
    assert_eq!(books.remembered(request(2, 1)), Some((1, true)));
    assert_eq!(books.store.state().outcomes.len(), 2);
}

#[test]
fn the_oldest_make_room() {
    let limits = OutcomeLimits {
        max_outcomes: 4,
        max_lane_bytes: 20,
        max_total_bytes: 30,
        ..OutcomeLimits::default()
    };
    let mut books = Books::new(limits);
    // Lane 0 has room for two of these answers, both lanes for three.
    for (key, lane) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        let id = books.begin(lane, request(key, 0));
        books.end(id, 1, Some(10), at(1));
    }
    let (kept, receipt) = (Some((1, true)), Some((1, false)));
    let found = all_six(&mut books);
    assert_eq!(found, [receipt, kept, kept, kept, None, None]);
    let id = books.begin(1, request(5, 0));
    books.end(id, 1, Some(10), at(1));
    let found = all_six(&mut books);
    assert_eq!(found, [None, receipt, kept, kept, kept, None]);
    // An answer that exceeds the limit by itself is not stored, and evicts no other.
    let id = books.begin(1, request(6, 0));
    books.end(id, 1, Some(21), at(1));
    let found = all_six(&mut books);
    assert_eq!(found, [None, None, kept, kept, kept, receipt]);
    assert_eq!(books.ledger.answer_bytes(), 30);
}

fn all_six(books: &mut Books) -> [Option<(u64, bool)>; 6] {
    [1, 2, 3, 4, 5, 6].map(|key| books.remembered(request(key, 0)))
}

#[derive(Debug, Clone)]
enum Action {
    Begin {
        lane: u16,
        key: u8,
        digest: u8,
    },
    End {
        which: usize,
        actual: u64,
        bytes: Option<usize>,
    },
    Checkpoint {
        which: usize,
        cost: u64,
    },
    Wait(u64),
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    let which = any::<usize>();
    prop_oneof![
        4 => (0..2_u16, 0..6_u8, 0..2_u8)
            .prop_map(|(lane, key, digest)| Action::Begin { lane, key, digest }),
        4 => (which, 0..4_u64, proptest::option::of(0..25_usize))
            .prop_map(|(which, actual, bytes)| Action::End { which, actual, bytes }),
        1 => (which, 0..4_u64).prop_map(|(which, cost)| Action::Checkpoint { which, cost }),
        1 => (0..60_u64).prop_map(Action::Wait),
        1 => Just(Action::Crash),
    ]
}

proptest! {
    /// In every sequence, an idempotency key that was charged starts no new request while its outcome is kept, its
    /// outcome stays the same, memory and store agree, and all limits hold.
    #[test]
    fn nothing_is_charged_twice(actions in collection::vec(action(), 1..120)) {
        let limits = OutcomeLimits {
            max_age: Duration::from_secs(100),
            max_outcomes: 3,
            max_lane_bytes: 30,
            max_total_bytes: 40,
        };
        let mut books = Books::new(limits);
        let mut now = 0;
        let mut open: BTreeMap<ReservationId, (RequestKey, u64)> = BTreeMap::new();
        let mut charged: BTreeMap<ReservationId, (RequestKey, u64)> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Begin { lane, key, digest } => {
                    // Every lane has idempotency keys of its own.
                    let request = request(key + 6 * u8::try_from(lane).expect("small"), digest);
                    match books.ledger.earlier(&request) {
                        Ok(None) => {
                            let busy = open.values().any(|(open, _)| open.key == request.key);
                            assert!(!busy, "it is in flight");
                            let id = books.begin(lane, request);
                            open.insert(id, (request, 0));
                        }
                        Ok(Some(Earlier::InFlight(id))) => assert_eq!(open[&id].0, request),
                        Ok(Some(Earlier::Ended(id, outcome))) => {
                            assert_eq!(charged[&id], (request, outcome.charged.0));
                        }
                        Err(refusal) => assert_eq!(refusal, Refusal::KeyReused),
                    }
                }
                Action::End { which, actual, bytes } if !open.is_empty() => {
                    let id = *open.keys().nth(which % open.len()).expect("it is in range");
                    let (request, _) = open.remove(&id).expect("it is there");
                    books.end(id, actual, bytes, at(now));
                    if actual > 0 {
                        charged.insert(id, (request, actual));
                    }
                }
                Action::Checkpoint { which, cost } if !open.is_empty() => {
                    let id = *open.keys().nth(which % open.len()).expect("it is in range");
                    let record = books.ledger.checkpoint(id, BaseUnits(cost));
                    books.commit(&[record.expect("it is in flight")]);
                    let checkpoint = &mut open.get_mut(&id).expect("it is there").1;
                    *checkpoint = cost.max(*checkpoint);
                }
                Action::Wait(seconds) => now += seconds,
                Action::Crash => {
                    books.restart(at(now));
                    for (id, (request, checkpoint)) in std::mem::take(&mut open) {
                        if checkpoint > 0 {
                            charged.insert(id, (request, checkpoint));
                        }
                    }
                }
                Action::End { .. } | Action::Checkpoint { .. } => {}
            }
            let state = books.store.state();
            assert_eq!(inconsistencies(&state), []);
            assert!(state.outcomes.len() <= limits.max_outcomes);
            assert_eq!(state.outcomes.len(), books.ledger.outcomes());
            let mut bytes = 0;
            for (id, outcome) in &state.outcomes {
                let remembered = books.store.remembered(*id);
                let answer = remembered.answer;
                assert_eq!(outcome.answer_bytes, answer.as_ref().map(AnswerRecord::length));
                bytes += u64::from(outcome.answer_bytes.unwrap_or_default());
            }
            assert_eq!(books.ledger.answer_bytes(), bytes);
            assert!(bytes <= limits.max_total_bytes);
        }
    }
}
