//! What came of a run, for people and as figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use farthing_cli::dev::latency::{Latencies, milliseconds};
use farthing_verifier::crash_point::CrashPoint;
use serde::Serialize;

use super::load::Tally;
use super::oracle::{Fault, Kind};
use farthing_tests::text::{grouped, table};

/// The most faults that are shown. One defect has many.
const MAX_SHOWN: usize = 20;

/// What came of a run so far.
#[derive(Debug, Default)]
pub struct Report {
    /// Processes that died.
    pub kills: u64,
    /// Those that died with a paid request in flight.
    pub kills_in_flight: u64,
    /// How often a process died at each point.
    pub hits: BTreeMap<CrashPoint, u64>,
    /// What clients were answered.
    pub tally: Tally,
    /// From each start to the first word that the process is well.
    pub restarts: Vec<Duration>,
    /// Requests that were asked again after a start, and answered from the books.
    pub replays: u64,
    /// What went wrong.
    pub faults: Vec<Fault>,
}

/// The figures of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Processes that died.
    pub kills: u64,
    /// Those that died with a paid request in flight.
    pub kills_in_flight: u64,
    /// Requests whose acceptance a client was told of.
    pub accepted: u64,
    /// Faults of this kind.
    pub lost: u64,
    /// Faults of this kind.
    pub doubled: u64,
    /// Faults of this kind.
    pub leaked: u64,
    /// From a start to the first word that the process is well.
    pub restart_p99_ms: f64,
}

impl Report {
    /// A process died, at this point or at any moment.
    pub fn died(&mut self, point: Option<CrashPoint>, in_flight: bool) {
        self.kills += 1;
        self.kills_in_flight += u64::from(in_flight);
        if let Some(point) = point {
            *self.hits.entry(point).or_default() += 1;
        }
    }

    /// Adds what went wrong, and says so at once.
    pub fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            if self.faults.len() < MAX_SHOWN {
                eprintln!("after {} kills: {fault}", self.kills);
            }
            self.faults.push(fault);
        }
    }

    /// How often a process died at a point.
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
    pub fn figures(&self) -> Figures {
        let restarts: Latencies = self.restarts.iter().copied().collect();
        Figures {
            kills: self.kills,
            kills_in_flight: self.kills_in_flight,
            accepted: self.tally.accepted,
            lost: self.faults(Kind::Lost),
            doubled: self.faults(Kind::Doubled),
            leaked: self.faults(Kind::Leaked),
            restart_p99_ms: milliseconds(restarts.percentile(99).unwrap_or_default()),
        }
    }

    /// One line about how far it is.
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_points: u64 = self.hits.values().sum();
        let points = CrashPoint::ALL
            .iter()
            .map(|point| [format!("`{}`", point.name()), grouped(self.hits(*point))]);
        let any_moment = ["any moment".to_owned(), grouped(self.kills - at_points)];
        let rows: Vec<[String; 2]> = points.chain([any_moment]).collect();
        f.write_str(&table(["died at", "times"], &rows))?;
        writeln!(
            f,
            "{} requests were asked again by their keys and answered from the books",
            grouped(self.replays)
        )?;
        for (code, count) in &self.tally.refused {
            writeln!(f, "{} requests were refused: {code}", grouped(*count))?;
        }
        Ok(())
    }
}
