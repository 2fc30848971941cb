//! Sides of a comparison, which have their turns one after the other: what else the machine and its disk do meets all of
//! them.

use std::time::{Duration, Instant};

use farthing_cli::dev::commit_probe::CommitProbe;

use super::caller::Caller;
use super::load::{self, Arrivals, Tally, Turn};
use super::process::Server;
use super::{Plan, Result};

/// How long one side runs before another has its turn.
pub const TURN: Turn = Turn {
    warm_up: Duration::from_millis(250),
    span: Duration::from_secs(1),
};

/// Requests of one kind to one server.
pub struct Side<'a> {
    /// What they are.
    pub name: &'static str,
    /// Who answers.
    pub server: &'a Server,
    /// Who sends them, a connection each.
    pub callers: Vec<Box<dyn Caller>>,
    /// When they come.
    pub arrivals: Arrivals,
    /// How long they come at a time.
    pub turn: Turn,
    /// What comes to the same server meanwhile, and is not counted.
    pub meanwhile: Option<(Vec<Box<dyn Caller>>, Arrivals)>,
}

impl<'a> Side<'a> {
    /// Requests that come alone.
    #[must_use]
    pub fn new(
        name: &'static str,
        server: &'a Server,
        callers: Vec<Box<dyn Caller>>,
        arrivals: Arrivals,
    ) -> Self {
        Self {
            name,
            server,
            callers,
            arrivals,
            turn: TURN,
            meanwhile: None,
        }
    }

    /// Runs for one turn.
    ///
    /// # Errors
    /// If a request is not answered as its caller expects.
    pub async fn run(&mut self, turn: Turn) -> Result<Tally> {
        let Server { address, pid, .. } = self.server;
        let counted = load::run(*address, &mut self.callers, self.arrivals, turn, *pid);
        let tally = match &mut self.meanwhile {
            None => counted.await,
            Some((callers, arrivals)) => {
                let meanwhile = load::run(*address, callers, *arrivals, turn, *pid);
                let (counted, meanwhile) = tokio::join!(counted, meanwhile);
                meanwhile.and(counted)
            }
        };
        tally.map_err(|error| format!("{}: {error}", self.name).into())
    }
}

/// What the sides did in every round, and what the probe's commits took in it.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// A row of rounds for each side, in their order.
    pub sides: Vec<(&'static str, Vec<Tally>)>,
    /// A row of commits for each round.
    pub commits: Vec<Vec<Duration>>,
}

/// Gives every side its turns, and the probe if there is one.
///
/// # Errors
/// If a side fails.
pub async fn compare(
    what: &str,
    sides: &mut Vec<Side<'_>>,
    mut probe: Option<&mut CommitProbe>,
    plan: &Plan,
) -> Result<Comparison> {
    if let Some(only) = &plan.only {
        sides.retain(|side| side.name.contains(only.as_str()));
    }
    if sides.is_empty() {
        return Ok(Comparison::default());
    }
    let mut comparison = Comparison {
        sides: sides.iter().map(|side| (side.name, Vec::new())).collect(),
        commits: Vec::new(),
    };
    for round in 1..=plan.rounds {
        println!("{what}: round {round} of {}", plan.rounds);
        let mut tallies = vec![Tally::default(); sides.len()];
        let mut commits = Vec::new();
        for _ in 0..plan.turns {
            for (side, tally) in sides.iter_mut().zip(&mut tallies) {
                tally.add(side.run(side.turn).await?);
            }
            if let Some(probe) = &mut probe {
                let begun = Instant::now();
                while begun.elapsed() < TURN.span {
                    commits.push(probe.measure().await.ok_or("the probe's store failed")?);
                }
            }
        }
        for ((_, rounds), tally) in comparison.sides.iter_mut().zip(tallies) {
            rounds.push(tally);
        }
        comparison.commits.push(commits);
    }
    Ok(comparison)
}
