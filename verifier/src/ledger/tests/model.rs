//! Random sequences of requests, charges, crashes and changes on the chain against a model that is
//! too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_protocol::debit::{claimed_debit, lane_debit};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use super::{NOW, facts, key, lane_facts, voucher_of};
use crate::ledger::{ChannelFacts, Ledger, OutcomeLimits, Refusal};
use crate::ports::Moment;
use crate::record::audit::inconsistencies;
use crate::record::tables::Tables;
use crate::record::{Record, Remembered, ReservationId};

const LANES: u16 = 3;

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Pays with a voucher `above` more than the lane was charged, for a request of at most `maximum`.
    Pay {
        lane: u16,
        above: u64,
        maximum: u64,
    },
    /// Pays with a voucher value that was used before.
    Replay {
        which: usize,
        maximum: u64,
    },
    Complete {
        which: usize,
        actual: u64,
    },
    Checkpoint {
        which: usize,
        cost: u64,
    },
    /// The process dies; what was committed remains.
    Crash,
    Fund(u64),
    RaiseCap {
        lane: u16,
        by: u64,
    },
    /// The chain debits a lane to what was charged.
    Settle(u16),
}

fn action() -> impl Strategy<Value = Action> {
    let lane = 0..LANES;
    prop_oneof![
        6 => (lane.clone(), 0..120_u64, 0..60_u64)
            .prop_map(|(lane, above, maximum)| Action::Pay { lane, above, maximum }),
        2 => (any::<usize>(), 0..60_u64)
            .prop_map(|(which, maximum)| Action::Replay { which, maximum }),
        4 => (any::<usize>(), 0..80_u64)
            .prop_map(|(which, actual)| Action::Complete { which, actual }),
        1 => (any::<usize>(), 0..80_u64)
            .prop_map(|(which, cost)| Action::Checkpoint { which, cost }),
        1 => Just(Action::Crash),
        1 => (1..200_u64).prop_map(Action::Fund),
        1 => (lane.clone(), 1..200_u64).prop_map(|(lane, by)| Action::RaiseCap { lane, by }),
        1 => lane.prop_map(Action::Settle),
    ]
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ModelLane {
    pub(super) authorized: u64,
    pub(super) charged: u64,
}

pub(super) struct World {
    ledger: Ledger,
    store: Tables,
    pub(super) facts: Arc<ChannelFacts>,
    pub(super) lanes: Vec<ModelLane>,
    /// Every voucher value that was ever used.
    pub(super) bought: BTreeSet<(u16, u64)>,
    /// Requests in flight: lane, maximum and checkpoint.
    pub(super) open: BTreeMap<ReservationId, (u16, u64, u64)>,
}

impl World {
    pub(super) fn new(lanes: u16, cap: u64, deposit: u64) -> Self {
        let of_chain = vec![lane_facts(cap, 0); usize::from(lanes)];
        Self {
            ledger: Ledger::default(),
            store: Tables::default(),
            facts: Arc::new(facts(deposit, of_chain)),
            lanes: vec![ModelLane::default(); usize::from(lanes)],
            bought: BTreeSet::new(),
            open: BTreeMap::new(),
        }
    }

    fn commit(&mut self, records: &[Record]) {
        self.store.apply(records);
    }

    fn reserved(&self, lane: Option<u16>) -> u64 {
        let open = self.open.values();
        open.filter(|(of, _, _)| lane.is_none_or(|lane| lane == *of))
            .map(|(_, maximum, _)| maximum)
            .sum()
    }

    fn pick(&self, which: usize) -> Option<ReservationId> {
        let index = which.checked_rem(self.open.len())?;
        self.open.keys().nth(index).copied()
    }

    /// Rules 0, 2 and 3, written independently of the ledger.
    fn may(&self, lane: u16, value: u64, maximum: u64) -> bool {
        let model = self.lanes[usize::from(lane)];
        let authorized = model.authorized.max(value);
        let charged: u64 = self.lanes.iter().map(|lane| lane.charged).sum();
        value > model.charged
            && !self.bought.contains(&(lane, value))
            && model.charged + self.reserved(Some(lane)) + maximum <= authorized
            && authorized <= self.facts.lanes[usize::from(lane)].cap.0
            && charged + self.reserved(None) + maximum <= self.facts.deposit.0
    }

    fn pay(&mut self, lane: u16, value: u64, maximum: u64) {
        let expected = self.may(lane, value, maximum);
        let voucher = voucher_of(lane, 0, value);
        match self
            .ledger
            .accept(&self.facts, &voucher, BaseUnits(maximum), None, NOW)
        {
            Ok(decision) => {
                assert!(expected, "lane {lane} accepted {value} for {maximum}");
                self.commit(&decision.records);
                self.bought.insert((lane, value));
                let model = &mut self.lanes[usize::from(lane)];
                model.authorized = model.authorized.max(value);
                self.open.insert(decision.reservation, (lane, maximum, 0));
            }
            Err(refusal) => assert!(!expected, "lane {lane} refused {value}: {refusal}"),
        }
    }

    pub(super) fn act(&mut self, action: &Action) {
        match *action {
            Action::Pay {
                lane,
                above,
                maximum,
            } => {
                let value = self.lanes[usize::from(lane)].charged + above;
                self.pay(lane, value, maximum);
            }
            Action::Replay { which, maximum } => {
                let index = which.checked_rem(self.bought.len());
                let earlier = index.and_then(|index| self.bought.iter().nth(index).copied());
                if let Some((lane, value)) = earlier {
                    let voucher = voucher_of(lane, 0, value);
                    let outcome =
                        self.ledger
                            .accept(&self.facts, &voucher, BaseUnits(maximum), None, NOW);
                    let refusal = outcome.expect_err("no value buys twice");
                    assert_eq!(refusal, Refusal::VoucherUsed);
                }
            }
            Action::Complete { which, actual } => {
                if let Some(id) = self.pick(which) {
                    let (lane, maximum, _) = self.open.remove(&id).expect("it was picked");
                    let decision = self
                        .ledger
                        .complete(
                            id,
                            BaseUnits(actual),
                            Remembered::default(),
                            Moment::default(),
                        )
                        .expect("it is open");
                    self.commit(&decision.records);
                    self.lanes[usize::from(lane)].charged += actual.min(maximum);
                }
            }
            Action::Checkpoint { which, cost } => {
                if let Some(id) = self.pick(which) {
                    let record = self.ledger.checkpoint(id, BaseUnits(cost));
                    self.commit(&[record.expect("it is open")]);
                    let (_, maximum, checkpoint) = self.open.get_mut(&id).expect("picked");
                    *checkpoint = (*checkpoint).max(cost.min(*maximum));
                }
            }
            Action::Crash => self.crash(),
            Action::Fund(amount) => self.chain(|facts| facts.deposit.0 += amount),
            Action::RaiseCap { lane, by } => {
                self.chain(|facts| facts.lanes[usize::from(lane)].cap.0 += by);
            }
            Action::Settle(lane) => {
                let charged = BaseUnits(self.lanes[usize::from(lane)].charged);
                self.chain(|facts| facts.lanes[usize::from(lane)].debited = charged);
            }
        }
    }

    fn chain(&mut self, change: impl FnOnce(&mut ChannelFacts)) {
        let mut facts = ChannelFacts::clone(&self.facts);
        change(&mut facts);
        self.facts = Arc::new(facts);
    }

    fn crash(&mut self) {
        let state = self.store.state();
        let (ledger, records) = Ledger::restore(state, OutcomeLimits::default(), Moment::default());
        self.commit(&records);
        self.ledger = ledger;
        for (lane, _, checkpoint) in std::mem::take(&mut self.open).into_values() {
            self.lanes[usize::from(lane)].charged += checkpoint;
        }
    }

    pub(super) fn check(&self) {
        assert!(self.ledger.counts_right());
        assert_eq!(self.ledger.size(NOW).reserved.0, self.reserved(None));
        let mut total = 0;
        for (lane, model) in (0_u16..).zip(&self.lanes) {
            let on_chain = self.facts.lanes[usize::from(lane)];
            let seen = self.ledger.lane(&self.facts, key(lane)).expect("it exists");
            assert_eq!(seen.charged.0, model.charged, "counters never fall");
            assert_eq!(seen.authorized.0, model.authorized);
            assert_eq!(seen.reserved.0, self.reserved(Some(lane)));
            total += seen.charged.0 + seen.reserved.0;
            if seen.authorized == BaseUnits::ZERO {
                continue;
            }
            assert!(seen.charged.0 + seen.reserved.0 <= seen.authorized.0);
            assert!(seen.authorized <= on_chain.cap);
            // The program would take the claim at this very moment.
            let undebited = u32::try_from(seen.authorized.0 - seen.charged.0).expect("fits");
            let debit_to = claimed_debit(seen.authorized, undebited).expect("the claim is whole");
            assert_eq!(debit_to, seen.charged);
            let owed =
                lane_debit(on_chain.cap, on_chain.debited, debit_to).expect("within the cap");
            assert_eq!(owed, debit_to.saturating_sub(on_chain.debited));
            let mut signature = [0; 64];
            signature[..8].copy_from_slice(&seen.authorized.0.to_le_bytes());
            assert_eq!(seen.signature, Some(signature), "the highest voucher's");
        }
        assert!(
            total <= self.facts.deposit.0,
            "the deposit covers everything"
        );
    }

    /// What a ledger writes is what an audit of its store accepts.
    fn audit(&self) {
        let state = self.store.state();
        assert_eq!(inconsistencies(&state), []);
    }
}

proptest! {
    #[test]
    fn follows_the_model(actions in collection::vec(action(), 1..80)) {
        let mut world = World::new(LANES, 300, 500);
        for action in &actions {
            world.act(action);
            world.check();
            world.audit();
        }
    }
}
