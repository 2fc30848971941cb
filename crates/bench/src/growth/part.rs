//! A measurement as a process of its own: this program again, told to do one part and to print what it found.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{churn, restart, serving, throughput};

/// What one process measures.
#[derive(Debug, Clone, Subcommand)]
pub enum Part {
    /// From a file to an open ledger
    Restart {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
    },
    /// From a file to the first paid answer of a whole verifier
    Serving {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
        /// What every question to the chain takes
        round_trip_ms: u64,
        /// How often it was started before
        round: u64,
    },
    /// Paid requests a second
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
    /// The file after many requests
    Churn {
        /// The store
        store: PathBuf,
        /// Its lanes
        lanes: usize,
        /// How many requests
        requests: u64,
    },
}

impl Part {
    /// Runs this part in a process of its own.
    ///
    /// # Errors
    /// If it fails, or prints something else than its outcome.
    pub fn run<T: DeserializeOwned>(&self) -> io::Result<T> {
        let output = Command::new(std::env::current_exe()?)
            .arg("growth-part")
            .args(self.arguments())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("a part failed: {self:?}")));
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

    /// Does this part, in this process, and prints what it found as JSON.
    ///
    /// # Errors
    /// If it cannot be measured.
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
