//! The file after many requests: a database that writes everything to a new place must find old places again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::population::Population;
use super::traffic::{self, Traffic};

/// How often the file is looked at.
const SAMPLES: u64 = 8;
/// Pause between two looks at how many requests there were.
const PAUSE: Duration = Duration::from_millis(20);

/// Lengths of the file, before the first request and after each eighth of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Churn {
    /// How many requests were charged in all.
    pub(super) requests: u64,
    /// The file's lengths.
    pub(super) file_bytes: Vec<u64>,
}

/// Charges so many requests to lanes chosen at random.
///
/// # Errors
/// If a request is not accepted.
pub(super) fn measure(path: &Path, lanes: usize, requests: u64) -> io::Result<Churn> {
    let length = || Ok::<_, io::Error>(std::fs::metadata(path)?.len());
    let mut file_bytes = vec![length()?];
    let traffic = Traffic::open(path, Population::new(lanes))?;
    let everyone: Arc<Vec<usize>> = Arc::new((0..lanes).collect());
    let file_bytes = traffic::run(async {
        let stopped = Arc::new(AtomicBool::new(false));
        let agents = traffic.start(&everyone, &stopped, 0);
        for sample in 1..=SAMPLES {
            while traffic.completed() < requests * sample / SAMPLES
                && !agents.iter().any(tokio::task::JoinHandle::is_finished)
            {
                tokio::time::sleep(PAUSE).await;
            }
            file_bytes.push(length()?);
        }
        stopped.store(true, Ordering::Relaxed);
        for agent in agents {
            agent.await??;
        }
        Ok(file_bytes)
    })?;
    traffic.close();
    Ok(Churn {
        requests: traffic.completed(),
        file_bytes,
    })
}
