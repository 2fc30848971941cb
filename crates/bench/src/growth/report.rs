//! The report of the measurements, as text and as figures.

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

/// The measurements of a store of one size.
#[derive(Debug, Clone)]
pub(super) struct Sized {
    /// Number of lanes.
    pub(super) lanes: usize,
    /// Starts of a whole verifier, from the file to a paid answer.
    pub(super) starts: Vec<Serving>,
    /// Many requests, which run after the starts.
    pub(super) churn: Churn,
    /// Restarts with the file that these requests leave behind.
    pub(super) restarts: Vec<Restart>,
}

/// All measurements.
#[derive(Debug, Clone)]
pub(super) struct GrowthReport {
    /// The small, the middle and the large store.
    pub(super) sizes: [Sized; 3],
    /// Throughput with the small store and with the large one.
    pub(super) rounds: Vec<Round>,
}

/// The main figures. Their names refer to the default of a million lanes; `lanes` is the actual number.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct GrowthFigures {
    /// Time from the file to an open ledger, with the middle store.
    restart_100k_ms: f64,
    /// Time from the file to an open ledger, with the large store.
    restart_1m_ms: f64,
    /// Time from the file to the first paid answer, with the middle store.
    paid_100k_ms: f64,
    /// Time from the file to the first paid answer, with the large store.
    paid_1m_ms: f64,
    /// Requests per second, with the small store.
    small_rps: f64,
    /// Requests per second, with the large store and few active lanes.
    active_rps: f64,
    /// Requests per second, with the large store and all lanes active.
    uniform_rps: f64,
    /// Median over the rounds of the ratio of `active_rps` to `small_rps`.
    active_over_small: f64,
    /// Median over the rounds of the ratio of `uniform_rps` to `small_rps`.
    uniform_over_small: f64,
    /// Peak memory of a process that restarts with the large store and serves all of its lanes.
    peak_memory_bytes: u64,
    /// Length of the large store's file afterwards.
    file_bytes: u64,
    /// Number of lanes of the large store.
    lanes: usize,
}

impl GrowthReport {
    /// The main figures.
    pub(super) fn figures(&self) -> GrowthFigures {
        let [_, middle, large] = &self.sizes;
        let of_rounds =
            |figure: fn(&Round) -> f64| median(self.rounds.iter().map(figure).collect());
        GrowthFigures {
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

impl fmt::Display for GrowthReport {
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
                "{} lanes, all active: peak memory {} MiB; length of the file in MiB, at the start and after each \
                eighth of {} requests: {}",
                grouped(*lanes as u64),
                grouped(churn.peak_bytes / MIB),
                grouped(churn.requests),
                lengths.join(", "),
            )?;
        }
        Ok(())
    }
}
