//! Measures the file's growth over many requests. The database writes every change to a new place and must reuse old
//! places, or the file would grow without bound.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::population::Population;
use super::process;
use super::traffic::{self, Traffic};

/// Number of times that the file's length is measured.
const SAMPLES: u64 = 8;

/// Measurements after many requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Churn {
    /// Total number of requests that were charged.
    pub(super) requests: u64,
    /// Lengths of the file: before the first request, and after each eighth of the requests.
    pub(super) file_bytes: Vec<u64>,
    /// Peak memory, including that of the agents.
    pub(super) peak_bytes: u64,
}

impl Churn {
    /// Length of the file at the end.
    pub(super) fn last_bytes(&self) -> u64 {
        self.file_bytes.last().copied().unwrap_or_default()
    }
}

/// Charges this number of requests to randomly chosen lanes.
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
