//! Tests that the oracle accepts true histories and reports falsified ones with the right kind of fault.

use super::*;

const MAXIMUM: BaseUnits = BaseUnits(100);

fn request(value: u64, told: Told) -> Request {
    Request {
        value: BaseUnits(value),
        maximum: MAXIMUM,
        told,
    }
}

fn charged(charged: u64, total: u64) -> Told {
    Told::Charged {
        charged: BaseUnits(charged),
        total: BaseUnits(total),
    }
}

fn reserved(checkpoint: u64) -> Reserved {
    Reserved {
        maximum: MAXIMUM,
        checkpoint: BaseUnits(checkpoint),
    }
}

/// A lane with one request of each outcome: one was charged 40, one stream is reserved and has cost 20 so far, and it
/// is not known whether the last one arrived.
fn history() -> LaneHistory {
    let mut history = LaneHistory::default();
    history.note(request(100, charged(40, 40)));
    history.note(request(200, Told::Reserved));
    history.note(request(300, Told::Nothing));
    history.note(request(400, Told::Refused));
    history
}

fn books() -> LaneBooks {
    LaneBooks {
        charged: BaseUnits(40),
        floor: BaseUnits::ZERO,
        used: [100, 200].map(BaseUnits).into(),
        reservations: vec![reserved(20)],
        ..LaneBooks::default()
    }
}

fn kinds(faults: &[Fault]) -> Vec<Kind> {
    faults.iter().map(|fault| fault.kind).collect()
}

#[test]
fn a_true_history_has_no_faults() {
    let mut history = history();
    assert_eq!(history.died(&books()), []);
    assert_eq!(history.owed(), BaseUnits(60));
    assert_eq!(history.acknowledged(), [100, 200].map(BaseUnits));
    // A process that is killed before it serves may or may not have charged the reservation.
    assert_eq!(history.clone().died(&books()), []);
    let after = LaneBooks {
        charged: BaseUnits(60),
        reservations: Vec::new(),
        ..books()
    };
    assert_eq!(history.clone().died(&after), []);
    history.restarted();
    assert_eq!(history.restored(BaseUnits(60), BaseUnits::ZERO), []);
    history.note(request(301, charged(30, 90)));
    let after = LaneBooks {
        charged: BaseUnits(90),
        used: [100, 200, 301].map(BaseUnits).into(),
        ..after
    };
    assert_eq!(history.died(&after), []);
    assert_eq!(history.settled(BaseUnits(90)), []);
}

#[test]
fn a_request_of_unknown_end_may_have_cost_nothing_or_its_maximum() {
    for (unknown, is_possible) in [(0, true), (200, true), (201, false)] {
        let books = LaneBooks {
            charged: BaseUnits(40 + unknown),
            reservations: Vec::new(),
            ..books()
        };
        assert_eq!(history().died(&books).is_empty(), is_possible, "{unknown}");
    }
}

#[test]
fn a_charge_that_is_missing_is_lost() {
    let missing = LaneBooks {
        charged: BaseUnits(39),
        reservations: Vec::new(),
        ..books()
    };
    // The fault is found by the receipt and by the sum.
    assert_eq!(kinds(&history().died(&missing)), [Kind::Lost, Kind::Lost]);
}

#[test]
fn charges_that_all_say_the_same_total_are_lost() {
    let mut history = LaneHistory::default();
    history.note(request(100, charged(40, 40)));
    history.note(request(200, charged(40, 40)));
    let books = LaneBooks {
        reservations: Vec::new(),
        ..books()
    };
    assert_eq!(kinds(&history.died(&books)), [Kind::Lost]);
}

#[test]
fn an_acceptance_that_is_forgotten_is_lost() {
    let forgotten = LaneBooks {
        used: [BaseUnits(100)].into(),
        ..books()
    };
    assert_eq!(kinds(&history().died(&forgotten)), [Kind::Lost]);
    let below_the_floor = LaneBooks {
        floor: BaseUnits(200),
        used: BTreeSet::new(),
        ..books()
    };
    assert_eq!(history().died(&below_the_floor), []);
}

#[test]
fn a_charge_that_was_made_twice_is_doubled() {
    let mut history = LaneHistory::default();
    history.note(request(100, charged(40, 40)));
    let twice = LaneBooks {
        charged: BaseUnits(80),
        reservations: Vec::new(),
        ..books()
    };
    assert_eq!(kinds(&history.died(&twice)), [Kind::Doubled]);
    let mut history = LaneHistory::default();
    history.note(request(100, charged(101, 101)));
    let above = LaneBooks {
        charged: BaseUnits(101),
        ..twice
    };
    assert_eq!(kinds(&history.died(&above)), [Kind::Doubled]);
}

#[test]
fn a_charge_of_an_earlier_window_that_is_made_again_is_doubled() {
    let mut history = history();
    assert_eq!(history.died(&books()), []);
    history.restarted();
    let again = LaneBooks {
        charged: BaseUnits(80),
        reservations: Vec::new(),
        ..books()
    };
    assert_eq!(kinds(&history.died(&again)), [Kind::Doubled]);
}

#[test]
fn a_reservation_that_nobody_waits_for_is_leaked() {
    let mut answered = LaneHistory::default();
    answered.note(request(100, charged(40, 40)));
    let books = LaneBooks {
        reservations: vec![reserved(0)],
        ..books()
    };
    assert_eq!(kinds(&answered.died(&books)), [Kind::Leaked]);
    // A start that did not charge the reservations of the previous process.
    let mut history = history();
    assert_eq!(history.died(&books), []);
    history.restarted();
    assert_eq!(kinds(&history.died(&books)), [Kind::Leaked]);
    // More reservations than requests.
    let three = LaneBooks {
        reservations: vec![reserved(0); 3],
        ..books
    };
    assert_eq!(kinds(&self::history().died(&three)), [Kind::Leaked]);
}

#[test]
fn a_process_and_the_chain_must_say_what_the_books_said() {
    let mut history = history();
    assert_eq!(history.died(&books()), []);
    let restored =
        |charged, reserved| kinds(&history.restored(BaseUnits(charged), BaseUnits(reserved)));
    assert_eq!(restored(59, 0), [Kind::Lost]);
    assert_eq!(restored(61, 0), [Kind::Doubled]);
    assert_eq!(restored(60, 1), [Kind::Leaked]);
    assert_eq!(kinds(&history.settled(BaseUnits(59))), [Kind::Lost]);
    assert_eq!(kinds(&history.settled(BaseUnits(61))), [Kind::Doubled]);
}
