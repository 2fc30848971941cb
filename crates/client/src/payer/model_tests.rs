//! Tests the lane against a model of the verifier's ledger: in whatever order requests arrive and answers return, every
//! voucher is accepted, and nothing above the cap is ever signed.

use std::collections::BTreeSet;

use farthing_protocol::debit::{AcceptError, ChannelPosition, LanePosition, accept};
use farthing_wire::x402::PaymentState;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use super::*;

/// The verifier's refusals that an honest client can run into.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// Used before, or not above what is charged: a later request overtook this one.
    Value,
    /// The ceiling is below the need.
    Ceiling,
}

/// The verifier, by the rules of the protocol.
struct Verifier {
    lane: LanePosition,
    used: BTreeSet<BaseUnits>,
    signature: Option<Signature>,
}

impl Verifier {
    fn new(cap: BaseUnits) -> Self {
        Self {
            lane: LanePosition {
                cap,
                ..LanePosition::default()
            },
            used: BTreeSet::new(),
            signature: None,
        }
    }

    fn accept(&mut self, signed: &SignedVoucher, maximum: BaseUnits) -> Result<(), Refused> {
        let value = signed.voucher.authorized;
        assert!(value <= self.lane.cap, "signed above the cap");
        if value <= self.lane.charged || self.used.contains(&value) {
            return Err(Refused::Value);
        }
        let channel = ChannelPosition {
            deposit: BaseUnits(u64::MAX),
            charged: self.lane.charged,
            reserved: self.lane.reserved,
        };
        let authorized = match accept(&self.lane, &channel, value, maximum) {
            Ok(authorized) => authorized,
            Err(AcceptError::CeilingBelowNeed { .. }) => return Err(Refused::Ceiling),
            Err(error) => panic!("{error}"),
        };
        self.used.insert(value);
        if value > self.lane.authorized {
            self.signature = Some(signed.signature);
        }
        self.lane.authorized = authorized;
        self.lane.reserved.0 += maximum.0;
        Ok(())
    }

    fn complete(&mut self, maximum: BaseUnits, charge: BaseUnits) -> ReceiptExtra {
        self.lane.reserved.0 -= maximum.0;
        self.lane.charged.0 += charge.0;
        ReceiptExtra {
            state: PaymentState::Charged,
            charged: charge,
            charged_total: self.lane.charged,
            reserved: self.lane.reserved,
            authorized: self.lane.authorized,
            deposit: BaseUnits(u64::MAX),
            receipt: None,
        }
    }

    fn told(&self) -> LaneStateInfo {
        let above = self.used.iter().copied();
        let used = above.filter(|value| *value > self.lane.charged);
        LaneStateInfo {
            state: self.state(),
            deposit: BaseUnits(u64::MAX),
            used_floor: BaseUnits::ZERO,
            used: used.collect(),
        }
    }

    fn state(&self) -> VoucherStateInfo {
        VoucherStateInfo {
            authorized: self.lane.authorized,
            signature: self.signature,
            charged: self.lane.charged,
            reserved: self.lane.reserved,
        }
    }
}

/// Where a request is.
enum At {
    /// On its way to the verifier.
    Sent(SignedVoucher),
    /// Being served.
    Served,
    /// Its answer is on the way back.
    Answered(ReceiptExtra),
    /// It ended, or was lost.
    Gone,
}

struct Request {
    maximum: BaseUnits,
    at: At,
    /// Held by the client until it knows the outcome or gives up.
    reservation: Option<Reservation>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Send { maximum: u64 },
    Arrive(usize),
    Complete(usize, u64),
    Return(usize),
    Lose(usize),
    Refuse(usize),
    Ask,
    Tell(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let request = any::<usize>();
    prop_oneof![
        4 => (0..60_u64).prop_map(|maximum| Action::Send { maximum }),
        4 => request.prop_map(Action::Arrive),
        4 => (any::<usize>(), 0..60_u64).prop_map(|(request, charge)| Action::Complete(request, charge)),
        4 => any::<usize>().prop_map(Action::Return),
        1 => any::<usize>().prop_map(Action::Lose),
        1 => any::<usize>().prop_map(Action::Refuse),
        1 => Just(Action::Ask),
        1 => any::<usize>().prop_map(Action::Tell),
    ]
}

struct World {
    payer: LanePayer,
    key: Keypair,
    verifier: Verifier,
    requests: Vec<Request>,
    /// Queries for the lane's state, with the verifier's answers, which are on the way back.
    questions: Vec<(StateQueryInFlight, LaneStateInfo)>,
}

impl World {
    fn new(cap: u64) -> Self {
        let key = Keypair::new_from_array([7; 32]);
        let cap = BaseUnits(cap);
        let payer = LanePayer::new(identity(&key, cap), BaseUnits::ZERO).expect("a usable key");
        Self {
            payer,
            key,
            verifier: Verifier::new(cap),
            requests: Vec::new(),
            questions: Vec::new(),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { maximum } => self.send(BaseUnits(maximum)),
            Action::Arrive(index) => self.on(index, Self::arrive),
            Action::Complete(index, charge) => {
                self.on(index, |world, index| world.complete(index, charge));
            }
            Action::Return(index) => self.on(index, Self::return_answer),
            Action::Lose(index) => self.on(index, Self::lose),
            Action::Refuse(index) => self.on(index, Self::refuse),
            Action::Ask => self.ask(),
            Action::Tell(index) => self.tell(index),
        }
        self.check_bound();
    }

    fn on(&mut self, index: usize, act: impl FnOnce(&mut Self, usize)) {
        if !self.requests.is_empty() {
            act(self, index % self.requests.len());
        }
    }

    fn send(&mut self, maximum: BaseUnits) {
        match self.payer.next_voucher(maximum, &self.key) {
            Ok((signed, reservation)) => self.requests.push(Request {
                maximum,
                at: At::Sent(signed),
                reservation: Some(reservation),
            }),
            Err(PayerError::CapReached { .. }) => self.probe(maximum),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a request that the cap permits although the losses forbid it; the verifier's answer decides.
    fn probe(&mut self, maximum: BaseUnits) {
        let Ok((signed, reservation)) = self.payer.probing_voucher(maximum, &self.key) else {
            return;
        };
        match self.verifier.accept(&signed, maximum) {
            Ok(()) => self.requests.push(Request {
                maximum,
                at: At::Served,
                reservation: Some(reservation),
            }),
            Err(_) => self
                .payer
                .resynchronise(reservation, &self.verifier.state())
                .expect("an honest state"),
        }
    }

    fn arrive(&mut self, index: usize) {
        let request = &mut self.requests[index];
        if let At::Sent(signed) = &request.at {
            assert!(!self.verifier.used.contains(&signed.voucher.authorized));
            match self.verifier.accept(signed, request.maximum) {
                Ok(()) => request.at = At::Served,
                // Overtaken by a later request: refused with the lane's state; a caller would retry.
                Err(Refused::Value) => {
                    let reservation = request.reservation.take().expect("still in flight");
                    self.payer
                        .resynchronise(reservation, &self.verifier.state())
                        .expect("an honest state");
                    request.at = At::Gone;
                }
                Err(Refused::Ceiling) => panic!("the ceiling suffices in any order"),
            }
        }
    }

    fn complete(&mut self, index: usize, charge: u64) {
        let request = &mut self.requests[index];
        if matches!(request.at, At::Served) {
            let charge = BaseUnits(charge).min(request.maximum);
            request.at = At::Answered(self.verifier.complete(request.maximum, charge));
        }
    }

    fn return_answer(&mut self, index: usize) {
        let request = &mut self.requests[index];
        if let At::Answered(receipt) = &request.at {
            if let Some(reservation) = request.reservation.take() {
                self.payer
                    .settled(reservation, receipt)
                    .expect("an honest receipt");
            }
            request.at = At::Gone;
        }
    }

    /// Loses a request. It never arrives at the verifier unless it already has.
    fn lose(&mut self, index: usize) {
        let request = &mut self.requests[index];
        if let Some(reservation) = request.reservation.take() {
            self.payer.lost(reservation);
            if matches!(request.at, At::Sent(_)) {
                request.at = At::Gone;
            }
        }
    }

    fn refuse(&mut self, index: usize) {
        let request = &mut self.requests[index];
        if matches!(request.at, At::Sent(_)) {
            let reservation = request.reservation.take();
            self.payer.refused(reservation.expect("still in flight"));
            request.at = At::Gone;
        }
    }

    fn ask(&mut self) {
        let (_, outgoing) = self.payer.ask_state(1, &self.key);
        self.questions.push((outgoing, self.verifier.told()));
    }

    /// Delivers an answer to a state query, in any order.
    fn tell(&mut self, index: usize) {
        if !self.questions.is_empty() {
            let index = index % self.questions.len();
            let (outgoing, told) = self.questions.swap_remove(index);
            self.payer
                .learn_state(&outgoing, &told)
                .expect("an honest state");
        }
    }

    /// Checks that the client's bound covers what the verifier has and what is on its way there.
    fn check_bound(&self) {
        let on_the_way: u64 = self
            .requests
            .iter()
            .filter(|request| matches!(request.at, At::Sent(_)))
            .map(|request| request.maximum.0)
            .sum();
        let lane = &self.verifier.lane;
        let owed = lane.charged.0 + lane.reserved.0 + on_the_way;
        assert!(self.payer.spent_at_most().0 >= owed);
    }

    fn drain(&mut self) {
        for index in 0..self.requests.len() {
            self.arrive(index);
            self.complete(index, 1);
            self.return_answer(index);
        }
    }
}

pub(super) fn identity(key: &Keypair, cap: BaseUnits) -> LaneIdentity {
    LaneIdentity {
        program: Pubkey::new_from_array([1; 32]),
        channel: Pubkey::new_from_array([2; 32]),
        domain: Domain([3; 32]),
        lane: LaneIndex(5),
        generation: Generation(1),
        signer: key.pubkey(),
        cap,
    }
}

proptest! {
    #[test]
    fn every_voucher_is_accepted_in_any_order(
        cap in prop_oneof![Just(u64::MAX), 50..2_000_u64],
        actions in collection::vec(action(), 1..200),
    ) {
        let mut world = World::new(cap);
        for action in actions {
            world.act(action);
        }
    }

    #[test]
    fn the_bound_is_exact_once_all_is_quiet(actions in collection::vec(action(), 1..200)) {
        let mut world = World::new(u64::MAX);
        for action in actions {
            world.act(action);
        }
        world.drain();
        // One more answer resolves all losses.
        world.send(BaseUnits(2));
        world.drain();
        assert_eq!(world.payer.spent_at_most(), world.verifier.lane.charged);
    }

    #[test]
    fn a_client_that_asks_first_is_never_refused(
        actions in collection::vec(action(), 1..100),
        maximum in 1..60_u64,
    ) {
        let mut world = World::new(u64::MAX);
        for action in actions {
            world.act(action);
        }
        let maximum = BaseUnits(maximum);
        let mut payer = LanePayer::new(*world.payer.identity(), BaseUnits::ZERO)
            .expect("a usable key");
        let (_, outgoing) = payer.ask_state(1, &world.key);
        payer.learn_state(&outgoing, &world.verifier.told()).expect("an honest state");
        let (signed, _reservation) = payer.next_voucher(maximum, &world.key).expect("no cap");
        world.verifier.accept(&signed, maximum).expect("the answer said what is needed");
    }

    #[test]
    fn a_client_that_forgot_all_goes_on_after_one_refusal(
        actions in collection::vec(action(), 1..100),
        maximum in 1..60_u64,
    ) {
        let mut world = World::new(u64::MAX);
        for action in actions {
            world.act(action);
        }
        let maximum = BaseUnits(maximum);
        let mut payer = LanePayer::new(*world.payer.identity(), BaseUnits::ZERO)
            .expect("a usable key");
        let (signed, reservation) = payer.next_voucher(maximum, &world.key).expect("no cap");
        if world.verifier.accept(&signed, maximum).is_err() {
            let state = world.verifier.state();
            if state.authorized == signed.voucher.authorized {
                // Both have signed this very value: what it bought for whom cannot be told.
                return Ok(());
            }
            payer.resynchronise(reservation, &state).expect("an honest state");
            let (signed, _reservation) = payer.next_voucher(maximum, &world.key).expect("no cap");
            world
                .verifier
                .accept(&signed, maximum)
                .expect("the state said what is needed");
        }
    }
}
