//! Paid requests a second, with few lanes and with many.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::population::Population;
use super::traffic::{self, Traffic};
use super::{FEW, memory};

/// How long traffic runs before it is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// What one round counted, in requests a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Round {
    /// Few lanes in all.
    pub(super) small: f64,
    /// Many lanes, of which few are active.
    pub(super) active: f64,
    /// Many lanes, all of them active.
    pub(super) uniform: f64,
}

/// All rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Throughput {
    /// In the order in which they ran.
    pub(super) rounds: Vec<Round>,
    /// The most memory, both stores and the agents included.
    pub(super) peak_bytes: u64,
    /// The large store's file before.
    pub(super) file_before_bytes: u64,
    /// And afterwards.
    pub(super) file_after_bytes: u64,
}

/// Measures all kinds of traffic in turn, so that what else the machine does meets all of them.
///
/// # Errors
/// If a request is not accepted.
pub(super) fn measure(
    small: &Path,
    large: &Path,
    lanes: usize,
    rounds: u64,
    seconds: u64,
) -> io::Result<Throughput> {
    let length = || Ok::<_, io::Error>(std::fs::metadata(large)?.len());
    let file_before_bytes = length()?;
    let few = Traffic::open(small, Population::new(FEW))?;
    let many = Traffic::open(large, Population::new(lanes))?;
    let everyone: Arc<Vec<usize>> = Arc::new((0..lanes).collect());
    // Spread over all channels and pages, as those who happen to be active are.
    let active: Arc<Vec<usize>> = Arc::new((0..lanes).step_by(lanes / FEW).take(FEW).collect());
    let all_of_few: Arc<Vec<usize>> = Arc::new((0..FEW).collect());
    let length_of_round = Duration::from_secs(seconds);
    let rounds = traffic::run(async {
        let mut outcome = Vec::new();
        for round in 0..rounds {
            let found = Round {
                small: count(&few, &all_of_few, length_of_round, 3 * round).await?,
                active: count(&many, &active, length_of_round, 3 * round + 1).await?,
                uniform: count(&many, &everyone, length_of_round, 3 * round + 2).await?,
            };
            eprintln!("{found:?}");
            outcome.push(found);
        }
        Ok(outcome)
    })?;
    few.close();
    many.close();
    Ok(Throughput {
        rounds,
        peak_bytes: memory::of_this_process()?.peak,
        file_before_bytes,
        file_after_bytes: length()?,
    })
}

async fn count(
    traffic: &Arc<Traffic>,
    lanes: &Arc<Vec<usize>>,
    length: Duration,
    seed: u64,
) -> io::Result<f64> {
    let stopped = Arc::new(AtomicBool::new(false));
    let agents = traffic.start(lanes, &stopped, seed);
    tokio::time::sleep(WARM_UP).await;
    let (before, started) = (traffic.completed(), Instant::now());
    tokio::time::sleep(length).await;
    let (count, elapsed) = (traffic.completed() - before, started.elapsed());
    stopped.store(true, Ordering::Relaxed);
    for agent in agents {
        agent.await??;
    }
    Ok(count as f64 / elapsed.as_secs_f64())
}
