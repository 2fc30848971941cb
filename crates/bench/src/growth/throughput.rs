//! Paid requests a second, with few lanes and with many.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::FEW;
use super::population::Population;
use super::traffic::{self, Traffic};

/// How long one kind of traffic runs before another has its turn. Short, so that what else the machine and its disk
/// do meets all of them.
const TURN: Duration = Duration::from_secs(1);
/// How much of a turn is not counted.
const WARM_UP: Duration = Duration::from_millis(250);

/// What one kind of traffic did in one round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    requests: u64,
    seconds: f64,
}

impl Tally {
    /// Charged requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// What one round counted.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Round {
    /// Few lanes in all.
    pub(super) small: Tally,
    /// Many lanes, of which few are active.
    pub(super) active: Tally,
    /// Many lanes, all of them active.
    pub(super) uniform: Tally,
}

/// Measures all kinds of traffic in turn. Each has a store of its own, which it first brings into its own order: what
/// one kind leaves to be written later must not be written at another's expense.
///
/// # Errors
/// If a request is not accepted.
pub(super) fn measure(
    small: &Path,
    large: &Path,
    lanes: usize,
    rounds: u64,
    seconds: u64,
) -> io::Result<Vec<Round>> {
    let copy = large.with_extension("copy");
    std::fs::copy(large, &copy)?;
    // Spread over all channels and pages, as those who happen to be active are.
    let active = (0..lanes).step_by(lanes / FEW).take(FEW);
    let (few, many) = (Population::new(FEW), Population::new(lanes));
    let [small, active, uniform] = [
        Traffic::open(small, few, 0..FEW)?,
        Traffic::open(&copy, many, active)?,
        Traffic::open(large, many, 0..lanes)?,
    ];
    let rounds = traffic::run(async {
        for traffic in [&small, &active, &uniform] {
            // A request a lane, so that the journal was moved since the store was filled.
            traffic.serve(traffic.payers() as u64).await?;
        }
        let mut outcome = Vec::new();
        for round in 1..=rounds {
            let mut found = Round::default();
            for turn in 0..seconds {
                let seed = round * seconds + turn;
                take_turn(&small, seed, &mut found.small).await?;
                take_turn(&active, seed, &mut found.active).await?;
                take_turn(&uniform, seed, &mut found.uniform).await?;
            }
            outcome.push(found);
        }
        Ok(outcome)
    })?;
    for traffic in [small, active, uniform] {
        traffic.close();
    }
    std::fs::remove_file(copy)?;
    Ok(rounds)
}

async fn take_turn(traffic: &Arc<Traffic>, seed: u64, tally: &mut Tally) -> io::Result<()> {
    let running = traffic.start(seed);
    tokio::time::sleep(WARM_UP).await;
    let (before, started) = (traffic.completed(), Instant::now());
    tokio::time::sleep(TURN).await;
    tally.requests += traffic.completed() - before;
    tally.seconds += started.elapsed().as_secs_f64();
    running.stop().await
}
