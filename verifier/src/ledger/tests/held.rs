//! Held reservations: charged, timed out, and kept over a restart; case by case and in random sequences.

use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert_eq, proptest};

use super::{NOW, key, one_lane, voucher};
use crate::ledger::{ChannelFacts, Ledger, OutcomeLimits, Refusal};
use crate::ports::Moment;
use crate::record::audit::inconsistencies;
use crate::record::tables::Tables;
use crate::record::{Record, Remembered, RequestKey, ReservationId};

const SECONDS: u32 = 300;

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn request(key: u8) -> RequestKey {
    RequestKey {
        key: [key; 32],
        digest: [0; 32],
    }
}

/// A ledger and the store that it writes to.
struct Books {
    facts: Arc<ChannelFacts>,
    ledger: Ledger,
    store: Tables,
}

impl Books {
    fn new() -> Self {
        Self {
            facts: one_lane(10_000, 10_000),
            ledger: Ledger::default(),
            store: Tables::default(),
        }
    }

    fn commit(&mut self, records: &[Record]) {
        self.store.apply(records);
        let state = self.store.state();
        assert_eq!(inconsistencies(&state), []);
    }

    fn accept(&mut self, value: u64, request: RequestKey) -> ReservationId {
        let decision = self
            .ledger
            .accept(
                &self.facts,
                &voucher(value),
                BaseUnits(100),
                Some(request),
                NOW,
            )
            .expect("there is room");
        self.commit(&decision.records);
        decision.reservation
    }

    fn hold(&mut self, value: u64, request: RequestKey, now: Moment) -> ReservationId {
        let id = self.accept(value, request);
        let record = self.ledger.hold(id, SECONDS, now).expect("it is reserved");
        self.commit(&[record]);
        id
    }

    fn restart(&mut self, now: Moment) {
        let state = self.store.state();
        let (ledger, records) = Ledger::restore(state, OutcomeLimits::default(), now);
        self.commit(&records);
        self.ledger = ledger;
    }

    fn release(&mut self, now: Moment) {
        let records = self.ledger.release_expired(now);
        self.commit(&records);
    }

    fn figures(&self) -> (u64, u64) {
        let lane = self.ledger.lane(&self.facts, key(0)).expect("it is known");
        (lane.charged.0, lane.reserved.0)
    }
}

#[test]
fn it_ends_when_its_time_is_over_and_not_before() {
    let mut books = Books::new();
    books.hold(1_000, request(1), at(10));
    let second = books.hold(1_001, request(2), at(11));
    books.accept(1_002, request(3));
    books.release(at(309));
    assert_eq!((books.figures(), books.ledger.held()), ((0, 300), 2));
    books.release(at(310));
    assert_eq!((books.figures(), books.ledger.held()), ((0, 200), 1));
    assert_eq!(books.ledger.held_maximum(second), Some(BaseUnits(100)));
    books.release(at(1_000));
    assert_eq!((books.figures(), books.ledger.held()), ((0, 100), 0));
    // The idempotency key is free again, the voucher stays used.
    assert_eq!(books.ledger.earlier(&request(1)), Ok(None));
    let again = books
        .ledger
        .accept(&books.facts, &voucher(1_000), BaseUnits(1), None, NOW);
    assert_eq!(
        again.expect_err("it was verified once"),
        Refusal::VoucherUsed
    );
}

#[test]
fn a_charge_ends_it() {
    let mut books = Books::new();
    let id = books.hold(1_000, request(1), at(10));
    let charge = books
        .ledger
        .complete(id, BaseUnits(60), Remembered::default(), at(20))
        .expect("it is held");
    books.commit(&charge.records);
    assert_eq!((books.figures(), books.ledger.held()), ((60, 0), 0));
    assert_eq!(books.ledger.held_maximum(id), None);
    assert_eq!(books.ledger.hold(id, SECONDS, at(20)), None);
    books.release(at(1_000));
    assert_eq!(books.figures(), (60, 0));
}

#[test]
fn a_restart_ends_what_is_not_held_and_begins_the_time_of_what_is_anew() {
    let mut books = Books::new();
    let held = books.hold(1_000, request(1), at(10));
    let other = books.accept(1_001, request(2));
    assert_eq!(books.ledger.held_maximum(other), None);
    books.restart(at(5));
    assert_eq!((books.figures(), books.ledger.held()), ((0, 100), 1));
    books.restart(at(200));
    books.release(at(499));
    assert_eq!(books.ledger.held_maximum(held), Some(BaseUnits(100)));
    let charge = books
        .ledger
        .complete(held, BaseUnits(100), Remembered::default(), at(499))
        .expect("it is held");
    books.commit(&charge.records);
    books.restart(at(0));
    assert_eq!((books.figures(), books.ledger.held()), ((100, 0), 0));
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Hold,
    /// Charges an amount to one of the held reservations.
    Charge(usize, u64),
    /// Seconds pass.
    Pass(u64),
    /// The process dies, and the clock of the next one starts at this second.
    Restart(u64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Hold),
        2 => (any::<usize>(), 0_u64..=120).prop_map(|(which, amount)| Action::Charge(which, amount)),
        2 => (0_u64..400).prop_map(Action::Pass),
        1 => (0_u64..1_000).prop_map(Action::Restart),
    ]
}

proptest! {
    #[test]
    fn what_is_held_is_charged_once_or_released(actions in vec(action(), 1..60)) {
        let mut books = Books::new();
        let (mut now, mut charged, mut value) = (0, 0, 9_900);
        // Held reservations, each with the second in which it is released.
        let mut held = Vec::new();
        let mut ended = Vec::new();
        for action in actions {
            match action {
                Action::Hold => {
                    value += 1;
                    let key = u8::try_from(value - 9_900).expect("few actions");
                    let id = books.hold(value, request(key), at(now));
                    held.push((id, now + u64::from(SECONDS)));
                }
                Action::Charge(which, amount) if !held.is_empty() => {
                    let (id, _) = held.remove(which % held.len());
                    let nothing = Remembered::default();
                    let charge = books.ledger.complete(id, BaseUnits(amount), nothing, at(now));
                    books.commit(&charge.expect("it is held").records);
                    charged += amount.min(100);
                    ended.push(id);
                }
                Action::Charge(..) => {}
                Action::Pass(seconds) => {
                    now += seconds;
                    books.release(at(now));
                    let released = held.iter().filter(|(_, until)| *until <= now);
                    ended.extend(released.map(|(id, _)| *id));
                    held.retain(|(_, until)| *until > now);
                }
                Action::Restart(origin) => {
                    now = origin;
                    books.restart(at(now));
                    // Ids of ended reservations may be given again after a restart.
                    ended.clear();
                    held.iter_mut().for_each(|(_, until)| *until = now + u64::from(SECONDS));
                }
            }
            prop_assert_eq!(books.figures(), (charged, 100 * held.len() as u64));
            prop_assert_eq!(books.ledger.held(), held.len());
            for id in &ended {
                prop_assert_eq!(books.ledger.held_maximum(*id), None, "it ends once");
            }
        }
    }
}
