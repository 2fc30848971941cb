//! Measures paid requests per second, with few lanes and with many.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::FEW;
use super::population::Population;
use super::traffic::{self, Traffic};

/// Time that one kind of traffic runs before the next one takes its turn. Short, so that other activity of the machine
/// and its disk affects all kinds equally.
const TURN: Duration = Duration::from_secs(1);
/// Time at the start of a turn that is not counted.
const WARM_UP: Duration = Duration::from_millis(250);

/// Result of one kind of traffic in one round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    requests: u64,
    seconds: f64,
}

impl Tally {
    /// Charged requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// Results of one round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Round {
    /// A store with few lanes.
    pub(super) small: Tally,
    /// A store with many lanes, of which few are active.
    pub(super) active: Tally,
    /// A store with many lanes, all of them active.
    pub(super) uniform: Tally,
}

/// Measures all kinds of traffic in turn. Each has its own store and first runs until the store is in its steady state,
/// so that deferred writes of one kind of traffic do not slow down another.
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
    // The active lanes are spread over all channels and database pages, as they would be in real use.
    let active = (0..lanes).step_by(lanes / FEW).take(FEW);
    let (few, many) = (Population::new(FEW), Population::new(lanes));
    let [small, active, uniform] = [
        Traffic::open(small, few, 0..FEW)?,
        Traffic::open(&copy, many, active)?,
        Traffic::open(large, many, 0..lanes)?,
    ];
    let rounds = traffic::run(async {
        for traffic in [&small, &active, &uniform] {
            // One request per lane, so that the journal has been moved since the store was filled.
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
