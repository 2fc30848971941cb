//! Many random sequences, each from a seed, so that a failure can be replayed; and shrunk, so that it can be
//! read.

use std::collections::BTreeMap;
use std::fmt;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::action::Action;
use super::generate;
use super::state::Code;
use super::twin::Twin;

/// How often each outcome of each instruction came about.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By instruction; `None` is success.
    pub outcomes: BTreeMap<(&'static str, Option<Code>), u64>,
}

impl Tally {
    fn count(&mut self, action: &Action, outcome: Result<(), Code>) {
        if let Some(instruction) = action.instruction() {
            let outcome = (instruction, outcome.err());
            *self.outcomes.entry(outcome).or_default() += 1;
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
    }

    /// Number of instructions that were run.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Number of instructions that were accepted.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.outcomes
            .iter()
            .filter(|((_, code), _)| code.is_none())
            .map(|(_, count)| count)
            .sum()
    }
}

/// A sequence on which model and program differ, as short as it could be made.
#[derive(Debug)]
pub struct Difference {
    /// The seed.
    pub seed: u64,
    /// The shortest sequence found.
    pub actions: Vec<Action>,
    /// In what they differ.
    pub message: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.message)?;
        for action in &self.actions {
            writeln!(f, "  {action:?}")?;
        }
        Ok(())
    }
}

/// Runs a sequence of `steps` steps, and lets the owners leave at its end.
///
/// # Errors
/// The shrunk sequence on which model and program differ.
pub fn explore(seed: u64, steps: usize) -> Result<Tally, Box<Difference>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut twin = Twin::new();
    let mut tally = Tally::default();
    let mut actions = Vec::with_capacity(steps);
    for _ in 0..steps {
        let action = generate::action(&mut random, &twin.state);
        actions.push(action.clone());
        match twin.step(&action) {
            Ok(outcome) => tally.count(&action, outcome),
            Err(_) => return Err(Box::new(shrink(seed, actions))),
        }
    }
    if twin.owners_leave().is_err() {
        return Err(Box::new(shrink(seed, actions)));
    }
    Ok(tally)
}

/// Runs a sequence that was written down.
///
/// # Errors
/// In what model and program differ.
pub fn replay(actions: &[Action]) -> Result<(), String> {
    let mut twin = Twin::new();
    for action in actions {
        let _ = twin.step(action)?;
    }
    twin.owners_leave()
}

/// Shrinks a sequence: leaves out parts that the difference does not need, first halves, then smaller and smaller
/// parts.
fn shrink(seed: u64, mut actions: Vec<Action>) -> Difference {
    let mut part = actions.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < actions.len() {
            let mut fewer = actions.clone();
            fewer.drain(at..(at + part).min(actions.len()));
            if replay(&fewer).is_err() {
                actions = fewer;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    let message = replay(&actions)
        .err()
        .unwrap_or_else(|| "the difference does not come about again".to_owned());
    Difference {
        seed,
        actions,
        message,
    }
}
