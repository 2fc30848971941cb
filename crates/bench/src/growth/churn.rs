//! The file after many requests: a database that writes everything to a new place must find old places again.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::population::Population;
use super::process;
use super::traffic::{self, Traffic};

/// How often the file is looked at.
const SAMPLES: u64 = 8;

/// What many requests leave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Churn {
    /// How many requests were charged in all.
    pub(super) requests: u64,
    /// Lengths of the file, before the first request and after each eighth of them.
    pub(super) file_bytes: Vec<u64>,
    /// The most memory, that of the agents included.
    pub(super) peak_bytes: u64,
}

impl Churn {
    /// The file in the end.
    pub(super) fn last_bytes(&self) -> u64 {
        self.file_bytes.last().copied().unwrap_or_default()
    }
}

/// Charges so many requests to lanes chosen at random.
///
/// # Errors
/// If a request is not accepted.
pub(super) fn measure(path: &Path, lanes: usize, requests: u64) -> io::Result<Churn> {
    let length = || Ok::<_, io::Error>(std::fs::metadata(path)?.len());
    let mut file_bytes = vec![length()?];
    let traffic = Traffic::open(path, Population::new(lanes), 0..lanes)?;
    let file_bytes = traffic::run(async {
        for _ in 0..SAMPLES {
            traffic.serve(requests / SAMPLES).await?;
            file_bytes.push(length()?);
        }
        Ok(file_bytes)
    })?;
    traffic.close();
    Ok(Churn {
        requests: traffic.completed(),
        file_bytes,
        peak_bytes: process::memory()?.peak,
    })
}
