//! The report of a run, as text and as figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use farthing_cli::dev::latency::{Latencies, milliseconds};
use farthing_verifier::crash_point::CrashPoint;
use serde::Serialize;

use super::load::Tally;
use super::oracle::{Fault, Kind};
use farthing_tests::text::{grouped, table};

/// Maximum number of faults that are shown, because one defect can cause many.
const MAX_SHOWN: usize = 20;

/// The results of a run so far.
#[derive(Debug, Default)]
pub struct CrashReport {
    /// Number of processes that were killed.
    pub kills: u64,
    /// Number of processes that were killed with a paid request in flight.
    pub kills_in_flight: u64,
    /// Number of kills at each crash point.
    pub hits: BTreeMap<CrashPoint, u64>,
    /// The outcomes of the clients' requests.
    pub tally: Tally,
    /// Times from each start until the health check succeeded.
    pub restarts: Vec<Duration>,
    /// Number of retries after a restart that were answered from the ledger.
    pub replays: u64,
    /// Faults that were found.
    pub faults: Vec<Fault>,
}

/// The figures of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CrashFigures {
    /// Number of processes that were killed.
    pub kills: u64,
    /// Number of processes that were killed with a paid request in flight.
    pub kills_in_flight: u64,
    /// Number of requests that were accepted, as far as clients were told.
    pub accepted: u64,
    /// Number of faults of the kind [`Kind::Lost`].
    pub lost: u64,
    /// Number of faults of the kind [`Kind::Doubled`].
    pub doubled: u64,
    /// Number of faults of the kind [`Kind::Leaked`].
    pub leaked: u64,
    /// 99th percentile of the time from a start until the health check succeeded.
    pub restart_p99_ms: f64,
}

impl CrashReport {
    /// Counts a kill, at this crash point or at a random moment.
    pub fn died(&mut self, point: Option<CrashPoint>, in_flight: bool) {
        self.kills += 1;
        self.kills_in_flight += u64::from(in_flight);
        if let Some(point) = point {
            *self.hits.entry(point).or_default() += 1;
        }
    }

    /// Adds faults, and prints them immediately.
    pub fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            if self.faults.len() < MAX_SHOWN {
                eprintln!("after {} kills: {fault}", self.kills);
            }
            self.faults.push(fault);
        }
    }

    /// Number of kills at a crash point.
    #[must_use]
    pub fn hits(&self, point: CrashPoint) -> u64 {
        self.hits.get(&point).copied().unwrap_or_default()
    }

    fn faults(&self, kind: Kind) -> u64 {
        self.faults
            .iter()
            .filter(|fault| fault.kind == kind)
            .count() as u64
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> CrashFigures {
        let restarts: Latencies = self.restarts.iter().copied().collect();
        CrashFigures {
            kills: self.kills,
            kills_in_flight: self.kills_in_flight,
            accepted: self.tally.accepted,
            lost: self.faults(Kind::Lost),
            doubled: self.faults(Kind::Doubled),
            leaked: self.faults(Kind::Leaked),
            restart_p99_ms: milliseconds(restarts.percentile(99).unwrap_or_default()),
        }
    }

    /// One line of progress.
    #[must_use]
    pub fn progress(&self, of: usize) -> String {
        let figures = self.figures();
        format!(
            "{} of {of} kills, {} requests accepted, {} lost, {} doubled, {} leaked",
            figures.kills,
            grouped(figures.accepted),
            figures.lost,
            figures.doubled,
            figures.leaked,
        )
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_points: u64 = self.hits.values().sum();
        let points = CrashPoint::ALL
            .iter()
            .map(|point| [format!("`{}`", point.name()), grouped(self.hits(*point))]);
        let any_moment = ["random moment".to_owned(), grouped(self.kills - at_points)];
        let rows: Vec<[String; 2]> = points.chain([any_moment]).collect();
        f.write_str(&table(["killed at", "times"], &rows))?;
        writeln!(
            f,
            "{} retries by idempotency key were answered from the ledger",
            grouped(self.replays)
        )?;
        for (code, count) in &self.tally.refused {
            writeln!(f, "{} requests were refused with {code}", grouped(*count))?;
        }
        Ok(())
    }
}
