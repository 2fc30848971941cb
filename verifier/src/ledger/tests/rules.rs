//! Every rule with its refusal, and that a refusal changes nothing.

use std::sync::Arc;

use farthing_protocol::deadline::ChainTime;
use farthing_protocol::debit::AcceptError;
use farthing_protocol::{BaseUnits, Generation, LaneIndex};

use super::{NOW, facts, key, lane_facts, one_lane, voucher, voucher_of};
use crate::ledger::{ChannelFacts, Ledger, OutcomeLimits, Refusal};
use crate::ports::Moment;
use crate::record::tables::Tables;
use crate::record::{LaneKey, MAX_USED_VALUES, Record, Remembered};

fn refused(ledger: &mut Ledger, facts: &Arc<ChannelFacts>, value: u64, maximum: u64) -> Refusal {
    let before = ledger.lane(facts, key(0));
    let refusal = ledger
        .accept(facts, &voucher(value), BaseUnits(maximum), None, NOW)
        .expect_err("the rule forbids it");
    assert_eq!(
        ledger.lane(facts, key(0)),
        before,
        "a refusal changes nothing"
    );
    refusal
}

fn paid(ledger: &mut Ledger, facts: &Arc<ChannelFacts>, value: u64, maximum: u64, actual: u64) {
    let decision = ledger
        .accept(facts, &voucher(value), BaseUnits(maximum), None, NOW)
        .expect("the rules allow it");
    ledger
        .complete(
            decision.reservation,
            BaseUnits(actual),
            Remembered::default(),
            NOW,
        )
        .expect("the reservation is open");
}

#[test]
fn one_voucher_buys_one_request() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000, 1_000));
    let first = ledger
        .accept(&facts, &voucher(100), BaseUnits(10), None, NOW)
        .expect("the first use is accepted");
    assert_eq!(refused(&mut ledger, &facts, 100, 10), Refusal::VoucherUsed);
    ledger.complete(first.reservation, BaseUnits(10), Remembered::default(), NOW);
    assert_eq!(refused(&mut ledger, &facts, 100, 10), Refusal::VoucherUsed);
    // What was authorized and not charged may be spent with a lower voucher value that was never used.
    paid(&mut ledger, &facts, 50, 10, 10);
    assert_eq!(refused(&mut ledger, &facts, 50, 10), Refusal::VoucherUsed);
    // A voucher value at or below what was charged is refused, used or not.
    assert_eq!(refused(&mut ledger, &facts, 20, 0), Refusal::VoucherUsed);
    assert_eq!(refused(&mut ledger, &facts, 0, 0), Refusal::VoucherUsed);
}

#[test]
fn amounts_are_judged_by_the_shared_arithmetic() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(500, 1_000));
    let need = BaseUnits(101);
    let below = Refusal::Amount(AcceptError::CeilingBelowNeed { need });
    assert_eq!(refused(&mut ledger, &facts, 100, 101), below);
    let above = Refusal::Amount(AcceptError::CeilingAboveCap);
    assert_eq!(refused(&mut ledger, &facts, 1_001, 1), above);
    let exhausted = Refusal::Amount(AcceptError::DepositExhausted);
    assert_eq!(refused(&mut ledger, &facts, 501, 501), exhausted);
    let far = one_lane(u64::MAX, u64::MAX);
    let too_far = Refusal::Amount(AcceptError::CeilingTooFarAhead);
    let value = u64::from(u32::MAX) + 1;
    assert_eq!(refused(&mut Ledger::default(), &far, value, 1), too_far);
}

#[test]
fn requests_in_flight_count_before_they_end() {
    let lanes = vec![lane_facts(1_000, 0), lane_facts(1_000, 0)];
    let (mut ledger, facts) = (Ledger::default(), Arc::new(facts(100, lanes)));
    ledger
        .accept(&facts, &voucher_of(0, 0, 60), BaseUnits(60), None, NOW)
        .expect("the deposit covers it");
    let exhausted = Refusal::Amount(AcceptError::DepositExhausted);
    let other_lane = ledger.accept(&facts, &voucher_of(1, 0, 60), BaseUnits(60), None, NOW);
    assert_eq!(other_lane.expect_err("the channel is spent"), exhausted);
    ledger
        .accept(&facts, &voucher_of(1, 0, 40), BaseUnits(40), None, NOW)
        .expect("the rest is free");
}

#[test]
fn the_chain_closes_doors_at_once() {
    let mut ledger = Ledger::default();
    let base = facts(1_000, vec![lane_facts(1_000, 0)]);
    let revoked = Some(ChainTime {
        unix_timestamp: 1,
        slot: 1,
    });
    let change = |change: &dyn Fn(&mut ChannelFacts)| {
        let mut facts = base.clone();
        change(&mut facts);
        Arc::new(facts)
    };
    let cases = [
        (
            change(&|facts| facts.closing = true),
            Refusal::ChannelClosing,
        ),
        (change(&|facts| facts.gone = true), Refusal::ChannelClosing),
        (change(&|facts| facts.lanes.clear()), Refusal::LaneUnknown),
        (
            change(&|facts| facts.lanes[0].revoked = revoked),
            Refusal::LaneRevoked,
        ),
        (
            change(&|facts| facts.lanes[0].rotating = true),
            Refusal::LaneRevoked,
        ),
    ];
    for (facts, expected) in cases {
        let refusal = ledger.accept(&facts, &voucher(10), BaseUnits(1), None, NOW);
        assert_eq!(refusal.expect_err("the door is closed"), expected);
    }
    let facts = Arc::new(base.clone());
    let refusal = ledger.accept(&facts, &voucher_of(0, 1, 10), BaseUnits(1), None, NOW);
    let expected = Generation(0);
    let mismatch = Refusal::GenerationMismatch { expected };
    assert_eq!(refusal.expect_err("another generation"), mismatch);
}

#[test]
fn a_voucher_settled_elsewhere_buys_nothing() {
    let facts = Arc::new(facts(1_000, vec![lane_facts(1_000, 30)]));
    let mut ledger = Ledger::default();
    assert_eq!(
        refused(&mut ledger, &facts, 100, 1),
        Refusal::StoreBehindChain
    );
}

#[test]
fn a_new_generation_starts_at_the_chains_counter() {
    let mut ledger = Ledger::default();
    paid(&mut ledger, &one_lane(1_000, 1_000), 100, 50, 50);
    let mut rotated = facts(1_000, vec![lane_facts(1_000, 30)]);
    rotated.lanes[0].generation = Generation(1);
    let rotated = Arc::new(rotated);
    let decision = ledger
        .accept(&rotated, &voucher_of(0, 1, 100), BaseUnits(70), None, NOW)
        .expect("value 100 was used in another generation");
    assert_eq!(decision.lane.charged, BaseUnits(30));
    let old = ledger.accept(&rotated, &voucher(200), BaseUnits(1), None, NOW);
    let expected = Generation(1);
    let mismatch = Refusal::GenerationMismatch { expected };
    assert_eq!(old.expect_err("the generation is over"), mismatch);
    // The charges of the old generation can no longer be claimed.
    let new = LaneKey {
        generation: Generation(1),
        ..key(0)
    };
    ledger.complete(
        decision.reservation,
        BaseUnits(5),
        Remembered::default(),
        NOW,
    );
    let unsettled = ledger.unsettled(&rotated);
    assert_eq!(unsettled.len(), 1);
    assert_eq!(unsettled[0].generation, new.generation);
    assert_eq!(unsettled[0].owed, BaseUnits(5));
}

#[test]
fn beyond_its_room_the_oldest_range_closes() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000_000, 1_000_000));
    let mut forgotten = Vec::new();
    for value in 1..=(MAX_USED_VALUES as u64 + 10) {
        let decision = ledger
            .accept(&facts, &voucher(value * 2), BaseUnits(0), None, NOW)
            .expect("every value is new");
        ledger.complete(
            decision.reservation,
            BaseUnits(0),
            Remembered::default(),
            NOW,
        );
        forgotten.extend(
            decision
                .records
                .into_iter()
                .filter_map(|record| match record {
                    Record::Forgotten(_, value) => Some(value.0),
                    _ => None,
                }),
        );
    }
    assert_eq!(
        forgotten,
        (1..=10).map(|value| value * 2).collect::<Vec<_>>()
    );
    // 3 was never used, but can no longer be told from a used one.
    assert_eq!(refused(&mut ledger, &facts, 3, 0), Refusal::VoucherUsed);
    paid(&mut ledger, &facts, 21, 0, 0);
}

#[test]
fn a_charge_is_at_most_what_was_reserved_and_ends_once() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000, 1_000));
    let decision = ledger
        .accept(&facts, &voucher(100), BaseUnits(10), None, NOW)
        .expect("the rules allow it");
    let ended = ledger
        .complete(
            decision.reservation,
            BaseUnits(11),
            Remembered::default(),
            NOW,
        )
        .expect("the reservation is open");
    assert_eq!(ended.lane.charged, BaseUnits(10));
    assert!(
        ledger
            .complete(
                decision.reservation,
                BaseUnits(5),
                Remembered::default(),
                NOW
            )
            .is_none()
    );
    assert!(
        ledger
            .checkpoint(decision.reservation, BaseUnits(5))
            .is_none()
    );
    assert_eq!(ledger.reservations(), 0);
}

#[test]
fn after_a_crash_the_last_checkpoint_is_charged() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000, 1_000));
    let mut store = Tables::default();
    let first = ledger
        .accept(&facts, &voucher(100), BaseUnits(30), None, NOW)
        .expect("the rules allow it");
    let second = ledger
        .accept(&facts, &voucher(200), BaseUnits(30), None, NOW)
        .expect("the rules allow it");
    let mut records = first.records;
    records.extend(second.records);
    records.extend(ledger.checkpoint(first.reservation, BaseUnits(7)));
    store.apply(&records);

    let state = store.state();
    let (mut restored, records) = Ledger::restore(state, OutcomeLimits::default(), NOW);
    store.apply(&records);
    let lane = restored.lane(&facts, key(0)).expect("the lane is known");
    assert_eq!((lane.charged, lane.reserved), (BaseUnits(7), BaseUnits(0)));
    assert_eq!(lane.authorized, BaseUnits(200));
    for value in [100, 200] {
        assert_eq!(
            refused(&mut restored, &facts, value, 1),
            Refusal::VoucherUsed
        );
    }
    let state = store.state();
    assert_eq!(state.reservations, vec![], "nothing is charged twice");
}

#[test]
fn a_final_settlement_leaves_only_what_came_later() {
    let (mut ledger, facts) = (Ledger::default(), one_lane(1_000, 1_000));
    paid(&mut ledger, &facts, 100, 30, 30);
    let planned = ledger.unsettled(&facts);
    assert_eq!(planned[0].owed, BaseUnits(30));
    paid(&mut ledger, &facts, 200, 20, 20);
    ledger.settled(key(0), planned[0].charged, Moment::default());
    let rest = ledger.unsettled(&facts);
    assert_eq!(rest[0].owed, BaseUnits(20));
    assert_eq!(rest[0].lane, LaneIndex(0));
    ledger.settled(key(0), BaseUnits(50), NOW);
    assert_eq!(ledger.unsettled(&facts), vec![]);
}
