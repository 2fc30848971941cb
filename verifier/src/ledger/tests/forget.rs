//! When a channel that is gone is removed from the ledger, and what is left of it.

use std::sync::Arc;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};

use super::{facts, key, lane_facts, one_lane, voucher, voucher_of};
use crate::ledger::{ChannelFacts, Kept, Ledger, OutcomeLimits, Refusal};
use crate::ports::Moment;
use crate::record::tables::Tables;
use crate::record::{LaneKey, Record, Remembered, StoredState};

const NOW: Moment = Moment(std::time::Duration::from_secs(1));
const NOTHING: BaseUnits = BaseUnits::ZERO;

/// A ledger and its store, which holds the records of every decision.
#[derive(Default)]
struct Books {
    ledger: Ledger,
    store: Tables,
}

impl Books {
    fn write(&mut self, records: &[Record]) {
        self.store.apply(records);
    }

    fn pay(&mut self, facts: &Arc<ChannelFacts>, value: u64, charge: u64) {
        let accepted = self.ledger.accept(
            facts,
            &voucher(value),
            BaseUnits(charge),
            None,
            Moment::default(),
        );
        let accepted = accepted.expect("the rules allow it");
        self.write(&accepted.records);
        let nothing = Remembered::default();
        let charge = BaseUnits(charge);
        let ended = self
            .ledger
            .complete(accepted.reservation, charge, nothing, NOW);
        self.write(&ended.expect("the reservation is open").records);
    }

    fn settle(&mut self, key: LaneKey, debit_to: u64) {
        let record = self.ledger.settled(key, BaseUnits(debit_to), NOW);
        self.write(&[record.expect("the lane has books")]);
    }

    fn forget(&mut self, seen: Option<&ChannelFacts>, min_claim: u64) -> Result<(), Kept> {
        let batches = self
            .ledger
            .forget(key(0).domain, seen, BaseUnits(min_claim))?;
        for records in batches {
            self.write(&records);
        }
        Ok(())
    }

    fn restart(&mut self) {
        let state = self.store.state();
        let (ledger, records) = Ledger::restore(state, OutcomeLimits::default(), NOW);
        self.ledger = ledger;
        self.write(&records);
    }

    fn stored(&mut self) -> StoredState {
        self.store.state()
    }
}

/// The facts of a channel whose one lane was debited `amount`.
fn debited(amount: u64) -> Arc<ChannelFacts> {
    Arc::new(facts(1_000, vec![lane_facts(1_000, amount)]))
}

#[test]
fn a_request_in_flight_keeps_its_channel() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    let accepted = books
        .ledger
        .accept(&facts, &voucher(100), NOTHING, None, Moment::default());
    let accepted = accepted.expect("even what may cost nothing is in flight");
    assert_eq!(books.forget(None, 0), Err(Kept::InFlight));
    let nothing = Remembered::default();
    books
        .ledger
        .complete(accepted.reservation, NOTHING, nothing, NOW);
    assert_eq!(books.forget(None, 0), Ok(()));
}

#[test]
fn what_is_owed_keeps_its_channel() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    books.pay(&facts, 100, 30);
    let before = books.stored();
    let owed = |amount| Err(Kept::Owed(BaseUnits(amount)));
    assert_eq!(books.forget(None, 0), owed(30));
    assert_eq!(books.forget(Some(&facts), 30), owed(30));
    books.settle(key(0), 10);
    assert_eq!(books.forget(Some(&facts), 0), owed(20));
    assert_eq!(books.forget(Some(&debited(29)), 0), owed(1));
    books.restart();
    assert_eq!(
        books.forget(None, 0),
        owed(20),
        "what was settled is in the store"
    );
    let after = books.stored();
    assert_eq!((before.channels, before.used), (after.channels, after.used));
}

#[test]
fn what_was_paid_is_forgotten_with_all_its_records() {
    for (settled, seen) in [(30, None), (0, Some(debited(30))), (0, Some(debited(31)))] {
        let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
        books.pay(&facts, 100, 10);
        books.pay(&facts, 200, 20);
        books.settle(key(0), settled);
        assert_eq!(books.forget(seen.as_deref(), 0), Ok(()));
        assert_eq!(books.stored(), StoredState::default());
        assert_eq!(books.ledger.channels().next(), None);
        assert_eq!(
            books.forget(seen.as_deref(), 0),
            Ok(()),
            "it is forgotten once"
        );
    }
}

#[test]
fn what_nobody_would_have_claimed_keeps_nothing() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    books.pay(&facts, 100, 9);
    assert_eq!(books.forget(None, 9), Err(Kept::Owed(BaseUnits(9))));
    assert_eq!(books.forget(None, 10), Ok(()));
}

#[test]
fn only_the_last_generation_of_a_lane_owes() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    books.pay(&facts, 100, 30);
    let mut rotated = (*facts).clone();
    rotated.lanes[0].generation = Generation(1);
    assert_eq!(
        books.forget(Some(&rotated), 0),
        Ok(()),
        "no claim can name it any longer"
    );

    let mut books = Books::default();
    books.pay(&facts, 100, 30);
    let (rotated, next) = (Arc::new(rotated), voucher_of(0, 1, 100));
    let accepted = books
        .ledger
        .accept(&rotated, &next, BaseUnits(5), None, Moment::default());
    let accepted = accepted.expect("the new key may spend");
    let nothing = Remembered::default();
    books
        .ledger
        .complete(accepted.reservation, BaseUnits(5), nothing, NOW);
    assert_eq!(books.forget(None, 0), Err(Kept::Owed(BaseUnits(5))));
}

#[test]
fn other_channels_are_not_touched() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    books.pay(&facts, 100, 30);
    let before = books.stored();
    let other = Domain([77; 32]);
    assert_ne!(other, key(0).domain);
    let batches = books.ledger.forget(other, None, NOTHING);
    assert_eq!(batches, Ok(Vec::new()));
    assert_eq!(books.stored(), before);
}

#[test]
fn a_channel_that_comes_back_sells_no_voucher_twice() {
    let (mut books, facts) = (Books::default(), one_lane(1_000, 1_000));
    books.pay(&facts, 100, 30);
    books.settle(key(0), 30);
    assert_eq!(books.forget(None, 0), Ok(()));
    // The settlement of the removed channel published the voucher, so it must not be accepted again.
    let refused = books.ledger.accept(
        &debited(30),
        &voucher(100),
        BaseUnits(1),
        None,
        Moment::default(),
    );
    assert_eq!(refused.expect_err("it was used"), Refusal::StoreBehindChain);
    assert_eq!(books.ledger.behind(&debited(30)), [LaneIndex(0)]);
}
