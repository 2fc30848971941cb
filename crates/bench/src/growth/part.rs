//! Runs a measurement in its own process: starts this executable again with a hidden command that runs one measurement
//! and prints its result.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{churn, restart, serving, throughput};

/// A measurement that runs in its own process.
#[derive(Debug, Clone, Subcommand)]
pub enum GrowthPart {
    /// Measure a restart, from the file to an open ledger
    Restart {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
    },
    /// Measure the start of a whole verifier, from the file to the first paid answer
    Serving {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
        /// Latency of every request to the chain, in milliseconds
        round_trip_ms: u64,
        /// Number of earlier starts with this store
        round: u64,
    },
    /// Measure paid requests per second
    Throughput {
        /// The small store
        small: PathBuf,
        /// The large store
        large: PathBuf,
        /// Lanes of the large store
        lanes: usize,
        /// Rounds of each kind of traffic
        rounds: u64,
        /// Seconds of each round
        seconds: u64,
    },
    /// Measure the file's length over many requests
    Churn {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
        /// Number of requests
        requests: u64,
    },
}

impl GrowthPart {
    /// Runs this measurement in its own process.
    ///
    /// # Errors
    /// If it fails, or prints anything other than its result.
    pub fn run<T: DeserializeOwned>(&self) -> io::Result<T> {
        let output = Command::new(std::env::current_exe()?)
            .arg("growth-part")
            .args(self.arguments())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("a measurement failed: {self:?}")));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn arguments(&self) -> Vec<OsString> {
        let (name, stores, numbers) = match self {
            Self::Restart { store, lanes } => ("restart", vec![store], vec![*lanes as u64]),
            Self::Serving {
                store,
                lanes,
                round_trip_ms,
                round,
            } => {
                let numbers = vec![*lanes as u64, *round_trip_ms, *round];
                ("serving", vec![store], numbers)
            }
            Self::Throughput {
                small,
                large,
                lanes,
                rounds,
                seconds,
            } => {
                let numbers = vec![*lanes as u64, *rounds, *seconds];
                ("throughput", vec![small, large], numbers)
            }
            Self::Churn {
                store,
                lanes,
                requests,
            } => ("churn", vec![store], vec![*lanes as u64, *requests]),
        };
        let stores = stores.into_iter().map(OsString::from);
        let numbers = numbers.iter().map(|number| number.to_string().into());
        std::iter::once(name.into())
            .chain(stores)
            .chain(numbers)
            .collect()
    }

    /// Runs this measurement in this process, and prints the result as JSON.
    ///
    /// # Errors
    /// If the measurement fails.
    pub fn measure(self) -> io::Result<()> {
        match self {
            Self::Restart { store, lanes } => print(&restart::measure(&store, lanes)?),
            Self::Serving {
                store,
                lanes,
                round_trip_ms,
                round,
            } => print(&serving::measure(&store, lanes, round_trip_ms, round)?),
            Self::Throughput {
                small,
                large,
                lanes,
                rounds,
                seconds,
            } => print(&throughput::measure(
                &small, &large, lanes, rounds, seconds,
            )?),
            Self::Churn {
                store,
                lanes,
                requests,
            } => print(&churn::measure(&store, lanes, requests)?),
        }
    }
}

fn print(outcome: &impl Serialize) -> io::Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}
