//! What was measured, for people and as figures.

use std::fmt;

use serde::Serialize;

use super::churn::Churn;
use super::restart::Restart;
use super::serving::Serving;
use super::throughput::Round;
use crate::figures::{median, rounded};
use farthing_tests::text::{grouped, table};

/// Bytes of a mebibyte.
const MIB: u64 = 1 << 20;

/// A store of one size.
#[derive(Debug, Clone)]
pub(super) struct Sized {
    /// Its lanes.
    pub(super) lanes: usize,
    /// From the file to a paid answer.
    pub(super) starts: Vec<Serving>,
    /// Then many requests.
    pub(super) churn: Churn,
    /// From the file that those left to an open ledger.
    pub(super) restarts: Vec<Restart>,
}

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// The small, the middle and the large store.
    pub(super) sizes: [Sized; 3],
    /// The small store and the large one.
    pub(super) rounds: Vec<Round>,
}

/// The main figures. The names are right for the default of a million lanes; `lanes` says how many there were.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    /// From the file to an open ledger, the middle store.
    restart_100k_ms: f64,
    /// The large store.
    restart_1m_ms: f64,
    /// From the file to the first paid answer, the middle store.
    paid_100k_ms: f64,
    /// The large store.
    paid_1m_ms: f64,
    /// Requests a second, the small store.
    small_rps: f64,
    /// The large store with few active lanes.
    active_rps: f64,
    /// The large store with all lanes active.
    uniform_rps: f64,
    /// The median of the rounds' ratios.
    active_over_small: f64,
    /// The median of the rounds' ratios.
    uniform_over_small: f64,
    /// The most memory of a process that restarts with the large store and serves all of its lanes.
    peak_memory_bytes: u64,
    /// The large store's file afterwards.
    file_bytes: u64,
    /// Lanes of the large store.
    lanes: usize,
}

impl Report {
    /// The main figures.
    pub(super) fn figures(&self) -> Figures {
        let [_, middle, large] = &self.sizes;
        let of_rounds =
            |figure: fn(&Round) -> f64| median(self.rounds.iter().map(figure).collect());
        Figures {
            restart_100k_ms: rounded(middle.restart_ms(), 1),
            restart_1m_ms: rounded(large.restart_ms(), 1),
            paid_100k_ms: rounded(middle.of_starts(|start| start.paid_ms), 1),
            paid_1m_ms: rounded(large.of_starts(|start| start.paid_ms), 1),
            small_rps: rounded(of_rounds(|round| round.small.rate()), 0),
            active_rps: rounded(of_rounds(|round| round.active.rate()), 0),
            uniform_rps: rounded(of_rounds(|round| round.uniform.rate()), 0),
            active_over_small: rounded(
                of_rounds(|round| round.active.rate() / round.small.rate()),
                3,
            ),
            uniform_over_small: rounded(
                of_rounds(|round| round.uniform.rate() / round.small.rate()),
                3,
            ),
            peak_memory_bytes: large.churn.peak_bytes,
            file_bytes: large.churn.last_bytes(),
            lanes: large.lanes,
        }
    }
}

impl Sized {
    fn restart_ms(&self) -> f64 {
        self.of_restarts(Restart::total_ms)
    }

    fn of_restarts(&self, figure: impl Fn(&Restart) -> f64) -> f64 {
        median(self.restarts.iter().map(figure).collect())
    }

    fn of_starts(&self, figure: impl Fn(&Serving) -> f64) -> f64 {
        median(self.starts.iter().map(figure).collect())
    }

    fn row(&self) -> [String; 11] {
        let whole = |figure: f64| grouped(figure.round() as u64);
        let mib = |figure: f64| whole(figure / MIB as f64);
        [
            grouped(self.lanes as u64),
            grouped(self.churn.last_bytes() / MIB),
            whole(self.of_restarts(|restart| restart.open_ms)),
            whole(self.of_restarts(|restart| restart.replay_ms)),
            whole(self.of_starts(|start| start.healthy_ms)),
            whole(self.of_starts(|start| start.paid_ms)),
            whole(self.of_starts(|start| start.resolved_ms)),
            format!("{:.1}", self.of_starts(|start| start.scrape_ms)),
            whole(self.of_restarts(|restart| restart.unsettled_ms)),
            mib(self.of_restarts(|restart| restart.peak_bytes as f64)),
            mib(self.of_restarts(|restart| restart.resident_bytes as f64)),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "lanes",
            "file MiB",
            "open ms",
            "replay ms",
            "healthy ms",
            "paid ms",
            "resolved ms",
            "scrape ms",
            "unsettled ms",
            "peak MiB",
            "resident MiB",
        ];
        writeln!(
            f,
            "{}",
            table(header, &self.sizes.each_ref().map(Sized::row))
        )?;
        let rounds = self.rounds.iter().enumerate();
        let rows: Vec<[String; 6]> = rounds
            .map(|(number, round)| {
                let Round {
                    small,
                    active,
                    uniform,
                } = round;
                let whole = |figure: f64| grouped(figure.round() as u64);
                [
                    (number + 1).to_string(),
                    whole(small.rate()),
                    whole(active.rate()),
                    whole(uniform.rate()),
                    format!("{:.3}", active.rate() / small.rate()),
                    format!("{:.3}", uniform.rate() / small.rate()),
                ]
            })
            .collect();
        let header = [
            "round",
            "small rps",
            "active rps",
            "uniform rps",
            "active/small",
            "uniform/small",
        ];
        writeln!(f, "{}", table(header, &rows))?;
        for Sized { lanes, churn, .. } in &self.sizes {
            let lengths = churn.file_bytes.iter();
            let lengths: Vec<String> = lengths.map(|bytes| grouped(bytes / MIB)).collect();
            writeln!(
                f,
                "{} lanes, all active: at most {} MiB of memory; the file in MiB, after each eighth of {} requests: {}",
                grouped(*lanes as u64),
                grouped(churn.peak_bytes / MIB),
                grouped(churn.requests),
                lengths.join(", "),
            )?;
        }
        Ok(())
    }
}
