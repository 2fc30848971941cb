//! The ledger's counts, and the age of its oldest entries.

use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::BaseUnits;

use super::{NOW, facts, lane_facts, voucher_of};
use crate::ledger::{Ledger, OutcomeLimits, Size};
use crate::ports::Moment;
use crate::record::tables::Tables;
use crate::record::{AnswerRecord, Remembered, RequestKey};

fn seconds(after: u64) -> Moment {
    NOW.after(Duration::from_secs(after))
}

#[test]
fn empty_books_have_no_size_and_no_age() {
    assert_eq!(Ledger::default().size(NOW), Size::default());
}

#[test]
fn a_refusal_is_not_counted() {
    let mut ledger = Ledger::default();
    let facts = Arc::new(facts(1_000, vec![lane_facts(1_000, 0)]));
    let voucher = voucher_of(0, 0, 100);
    let refused = ledger.accept(&facts, &voucher, BaseUnits(101), None, NOW);
    refused.expect_err("it needs more than was signed");
    assert_eq!(ledger.size(NOW), Size::default());
}

#[test]
fn size_and_age_follow_the_requests_and_survive_a_restart() {
    let mut store = Tables::default();
    let mut ledger = Ledger::default();
    let lanes = vec![lane_facts(1_000, 0), lane_facts(1_000, 0)];
    let facts = Arc::new(facts(1_000, lanes));
    let mut begin = |ledger: &mut Ledger, lane, value, request, now| {
        let voucher = voucher_of(lane, 0, value);
        let decision = ledger.accept(&facts, &voucher, BaseUnits(10), request, now);
        let decision = decision.expect("the rules allow it");
        store.apply(&decision.records);
        decision.reservation
    };
    let request = RequestKey {
        key: [1; 32],
        digest: [2; 32],
    };
    let first = begin(&mut ledger, 0, 100, Some(request), NOW);
    let second = begin(&mut ledger, 0, 90, None, seconds(5));
    begin(&mut ledger, 1, 10, None, seconds(6));
    let mut expected = Size {
        channels: 1,
        lanes: 2,
        used_values: 3,
        reservations: 3,
        reserved: BaseUnits(30),
        oldest_reservation: Some(Duration::from_secs(7)),
        ..Size::default()
    };
    assert_eq!(ledger.size(seconds(7)), expected);

    let remembered = Remembered {
        answer: Some(AnswerRecord {
            body: vec![0; 40],
            ..AnswerRecord::default()
        }),
        receipt: None,
    };
    let ended = ledger.complete(first, BaseUnits(4), remembered, seconds(8));
    store.apply(&ended.expect("in flight").records);
    // The second request is the oldest now; its voucher value stays used, and so does the one above it.
    expected.reservations = 2;
    expected.reserved = BaseUnits(20);
    expected.oldest_reservation = Some(Duration::from_secs(5));
    expected.outcomes = 1;
    expected.answer_bytes = 40;
    expected.oldest_outcome = Some(Duration::from_secs(2));
    expected.charged = BaseUnits(4);
    assert_eq!(ledger.size(seconds(10)), expected);

    let ended = ledger.complete(second, BaseUnits(10), Remembered::default(), seconds(11));
    store.apply(&ended.expect("in flight").records);
    assert_eq!(ledger.size(seconds(11)).charged, BaseUnits(14));
    assert_eq!(ledger.size(seconds(11)).used_values, 3);

    let state = store.state();
    let (restored, _) = Ledger::restore(state, OutcomeLimits::default(), NOW);
    let size = restored.size(NOW);
    assert_eq!((size.lanes, size.used_values, size.reservations), (2, 3, 0));
    assert_eq!(
        (size.reserved, size.oldest_reservation),
        (BaseUnits::ZERO, None)
    );
    // The request that the crash left in flight was charged its last checkpoint, which is nothing.
    assert_eq!((size.charged, size.answer_bytes), (BaseUnits::ZERO, 40));
    assert!(restored.counts_right());
}
