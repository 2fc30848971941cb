//! Every state that two small lanes can reach by requests, charges, checkpoints, settlements and crashes in any
//! order, and every step from each of them: the ledger does as the model does, counters never fall, and what is
//! charged can be settled.

use std::collections::{HashMap, VecDeque};

use super::model::{Action, ModelLane, World};

const LANES: u16 = 2;
const CAP: u64 = 2;
/// Less than both caps, so that either limit decides.
const DEPOSIT: u64 = 3;

/// Everything that determines what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    lanes: Vec<ModelLane>,
    debited: Vec<u64>,
    bought: Vec<(u16, u64)>,
    /// Sorted, because the order in which requests came decides nothing.
    open: Vec<(u16, u64, u64)>,
}

impl State {
    fn of(world: &World) -> Self {
        let mut open: Vec<_> = world.open.values().copied().collect();
        open.sort_unstable();
        Self {
            lanes: world.lanes.clone(),
            debited: world
                .facts
                .lanes
                .iter()
                .map(|lane| lane.debited.0)
                .collect(),
            bought: world.bought.iter().copied().collect(),
            open,
        }
    }
}

fn actions(state: &State) -> Vec<Action> {
    let mut actions = vec![Action::Crash];
    for lane in 0..LANES {
        actions.push(Action::Settle(lane));
        for above in 0..=CAP + 1 {
            for maximum in 0..=CAP {
                actions.push(Action::Pay {
                    lane,
                    above,
                    maximum,
                });
            }
        }
    }
    for which in 0..state.open.len() {
        for cost in 0..=CAP + 1 {
            let actual = cost;
            actions.push(Action::Complete { which, actual });
            actions.push(Action::Checkpoint { which, cost });
        }
    }
    actions
}

fn reach(path: &[Action]) -> World {
    let mut world = World::new(LANES, CAP, DEPOSIT);
    for action in path {
        world.act(action);
    }
    world
}

fn assert_nothing_falls(before: &State, after: &State) {
    for (before, after) in before.lanes.iter().zip(&after.lanes) {
        assert!(after.charged >= before.charged);
        assert!(after.authorized >= before.authorized);
    }
}

#[test]
fn every_reachable_state_keeps_the_rules() {
    let start = State::of(&reach(&[]));
    let mut paths = HashMap::from([(start.clone(), Vec::new())]);
    let mut open = VecDeque::from([start]);
    let mut steps = 0;
    while let Some(state) = open.pop_front() {
        let path: Vec<Action> = paths[&state].clone();
        for action in actions(&state) {
            let mut world = reach(&path);
            world.act(&action);
            world.check();
            steps += 1;
            let next = State::of(&world);
            assert_nothing_falls(&state, &next);
            if !paths.contains_key(&next) {
                let mut longer = path.clone();
                longer.push(action);
                paths.insert(next.clone(), longer);
                open.push_back(next);
            }
        }
    }
    println!("{} states, {steps} steps", paths.len());
    assert!(paths.len() > 1_000, "{}", paths.len());
}
