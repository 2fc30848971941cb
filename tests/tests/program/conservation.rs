//! Random sequences of actions: money is neither made nor lost.
//!
//! A model keeps what the program should hold, and after every action the chain is compared with it.
//! Actions may be refused; then nothing may have changed.

use std::collections::BTreeMap;

use farthing_protocol::BaseUnits;
use farthing_tests::program::tokens::balance;
use farthing_tests::program::world::{PREPAID, new_lanes};
use farthing_tests::program::{Channel, World};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use proptest::{collection, prop_assert, prop_assert_eq, prop_oneof};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

/// Channels that an action can mean.
const CHANNELS: u64 = 3;
/// Lanes of a new channel.
const LANES: usize = 3;
/// Caps and deposits are of this size, so that both are reached often.
const SCALE: u64 = 1_000;

/// One step.
#[derive(Debug, Clone)]
enum Action {
    Prepay(u64),
    Donate(u64),
    Withdraw(u64),
    Open {
        id: u64,
        deposit: u64,
    },
    Fund {
        id: u64,
        amount: u64,
    },
    AddLane {
        id: u64,
    },
    Settle {
        id: u64,
        ceilings: Vec<u64>,
        undebited: u32,
    },
    RequestClose {
        id: u64,
    },
    Close {
        id: u64,
        by_payee: bool,
    },
    Freeze(bool),
    Pass(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let id = 0..CHANNELS;
    let amount = 0..2 * SCALE;
    let ceilings = collection::vec(0..2 * SCALE, 1..=LANES);
    prop_oneof![
        1 => amount.clone().prop_map(Action::Prepay),
        1 => amount.clone().prop_map(Action::Donate),
        1 => amount.clone().prop_map(Action::Withdraw),
        4 => (id.clone(), amount.clone()).prop_map(|(id, deposit)| Action::Open { id, deposit }),
        2 => (id.clone(), amount).prop_map(|(id, amount)| Action::Fund { id, amount }),
        1 => id.clone().prop_map(|id| Action::AddLane { id }),
        8 => (id.clone(), ceilings, 0..50_u32).prop_map(|(id, ceilings, undebited)| {
            Action::Settle { id, ceilings, undebited }
        }),
        2 => id.clone().prop_map(|id| Action::RequestClose { id }),
        3 => (id, any::<bool>()).prop_map(|(id, by_payee)| Action::Close { id, by_payee }),
        2 => any::<bool>().prop_map(Action::Freeze),
        4 => (0..1_000_u64).prop_map(Action::Pass),
    ]
}

/// The chain, and what it should hold.
struct Model {
    world: World,
    agents: Vec<Pubkey>,
    destination: Pubkey,
    donor: Pubkey,
    channels: BTreeMap<u64, Channel>,
    prepaid: u64,
    withdrawn: u64,
    frozen: bool,
    /// Of each channel that is open: the counters seen last.
    counters: BTreeMap<u64, (u64, Vec<u64>)>,
}

impl Model {
    fn new() -> Self {
        let mut world = World::new();
        let agents = (0..LANES).map(|_| world.chain.new_key()).collect();
        let destination = world.mint.open(&mut world.chain, &world.owner);
        let donor = world.mint.open(&mut world.chain, &world.stranger);
        world.mint.mint(&mut world.chain, &donor, PREPAID);
        // Little is free at first, so that channels compete for it.
        let withdraw = world.withdraw(destination, PREPAID - 3 * SCALE);
        world.chain.succeed(&[withdraw]);
        Self {
            world,
            agents,
            destination,
            donor,
            channels: BTreeMap::new(),
            prepaid: PREPAID,
            withdrawn: PREPAID - 3 * SCALE,
            frozen: false,
            counters: BTreeMap::new(),
        }
    }

    /// Runs an instruction and says whether it was accepted.
    fn run(&mut self, instruction: Instruction) -> bool {
        self.world.chain.send(&[instruction]).is_ok()
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Prepay(amount) => {
                self.world.prepay(amount);
                self.prepaid += amount;
            }
            Action::Donate(amount) => {
                let (vault, donor) = (self.world.vault(), self.world.stranger);
                let mint = self.world.mint;
                mint.transfer(&mut self.world.chain, &self.donor, &vault, &donor, amount);
                self.prepaid += amount;
            }
            Action::Withdraw(amount) => {
                let withdraw = self.world.withdraw(self.destination, amount);
                if self.run(withdraw) {
                    self.withdrawn += amount;
                }
            }
            Action::Open { id, deposit } => self.open(id, deposit),
            Action::Freeze(freeze) if freeze != self.frozen => {
                let (mint, account) = (self.world.mint, self.world.payee_token());
                if freeze {
                    mint.freeze(&mut self.world.chain, &account);
                } else {
                    mint.thaw(&mut self.world.chain, &account);
                }
                self.frozen = freeze;
            }
            Action::Freeze(_) => {}
            Action::Pass(time) => self.world.chain.pass(time.cast_signed(), time),
            Action::Fund { id, .. }
            | Action::AddLane { id }
            | Action::Settle { id, .. }
            | Action::RequestClose { id }
            | Action::Close { id, .. } => {
                if let Some(&channel) = self.channels.get(&id) {
                    self.act_on_channel(action, &channel);
                }
            }
        }
    }

    fn open(&mut self, id: u64, deposit: u64) {
        let mut args = self.world.open_args(id, deposit, &self.agents);
        for lane in &mut args.lanes {
            lane.cap = SCALE;
        }
        let channel = self.world.channel(&args);
        let open = self.world.open_channel(args);
        if self.run(open) {
            self.channels.insert(id, channel);
            self.counters.insert(id, (0, vec![0; LANES]));
        }
    }

    fn act_on_channel(&mut self, action: &Action, channel: &Channel) {
        match action {
            Action::Fund { amount, .. } => {
                let fund = self.world.fund_channel(channel, *amount);
                self.run(fund);
            }
            Action::AddLane { .. } => {
                let add = self.world.add_lanes(channel, new_lanes(&self.agents[..1]));
                self.run(add);
            }
            Action::Settle {
                ceilings,
                undebited,
                ..
            } => {
                let claims = (0..)
                    .zip(&self.agents)
                    .zip(ceilings)
                    .map(|(lane, &ceiling)| {
                        self.world.claim(channel.domain, lane, ceiling, *undebited)
                    })
                    .collect();
                let settle = self.world.settle(channel, claims);
                self.run(settle);
            }
            Action::RequestClose { .. } => {
                let request = self.world.request_close(channel);
                self.run(request);
            }
            Action::Close { id, by_payee } => {
                let mut close = self.world.close_channel(channel);
                if !by_payee {
                    close.accounts[0].pubkey = self.world.stranger;
                }
                self.run(close);
                if self.world.chain.account(&channel.address).is_none() {
                    self.channels.remove(id);
                    self.counters.remove(id);
                }
            }
            _ => unreachable!("the caller passes actions on channels"),
        }
    }

    /// Compares the chain with the model.
    fn check(&mut self) -> Result<(), proptest::test_runner::TestCaseError> {
        let world = &self.world;
        let escrow = world.escrow_state();
        let vault = world.vault_balance();
        prop_assert_eq!(
            vault + world.payee_balance() + self.withdrawn,
            self.prepaid,
            "what went in is there, paid, or withdrawn"
        );
        prop_assert_eq!(balance(&world.chain, &self.destination), self.withdrawn);
        prop_assert!(vault >= escrow.allocated);
        prop_assert_eq!(u64::from(escrow.open_channels), self.channels.len() as u64);

        let mut allocated = 0;
        for (id, channel) in &self.channels {
            let (header, lanes) = world.channel_state(&channel.address);
            let unspent = header.deposit.checked_sub(header.debited);
            prop_assert!(unspent.is_some(), "debited within the deposit");
            allocated += unspent.unwrap_or_default().0 + header.unpaid.0;
            prop_assert!(header.unpaid <= header.debited);

            let counters: Vec<u64> = lanes.iter().map(|lane| lane.debited.0).collect();
            prop_assert_eq!(counters.iter().sum::<u64>(), header.debited.0);
            prop_assert!(lanes.iter().all(|lane| lane.debited <= lane.cap));
            prop_assert!(
                lanes[..LANES]
                    .iter()
                    .all(|lane| lane.cap == BaseUnits(SCALE))
            );
            let last = &self.counters[id];
            prop_assert!(header.debited.0 >= last.0);
            prop_assert!(last.1.iter().zip(&counters).all(|(last, now)| last <= now));
            self.counters.insert(*id, (header.debited.0, counters));
        }
        prop_assert_eq!(allocated, escrow.allocated);
        Ok(())
    }

    /// Whatever happened, everything can be ended, and the owner has what was not paid.
    fn end(mut self) -> Result<(), proptest::test_runner::TestCaseError> {
        self.act(&Action::Freeze(false));
        self.world.chain.pass(151, 151);
        for id in 0..CHANNELS {
            self.act(&Action::Close { id, by_payee: true });
        }
        prop_assert!(self.channels.is_empty());
        let close = self.world.close_escrow(Some(self.destination));
        prop_assert!(self.run(close));
        prop_assert_eq!(
            balance(&self.world.chain, &self.destination) + self.world.payee_balance(),
            self.prepaid
        );
        Ok(())
    }
}

#[test]
fn money_is_conserved() {
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&collection::vec(action(), 1..60), |actions| {
        let mut model = Model::new();
        for action in &actions {
            model.act(action);
            model.check()?;
        }
        model.end()
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
