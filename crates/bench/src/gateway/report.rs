//! What was measured, for people and as figures.

use std::fmt;
use std::time::Duration;

use farthing_cli::dev::latency::{Latencies, milliseconds};
use serde::Serialize;

use super::load::Tally;
use super::machine::Machine;
use super::scenes::{
    CONNECTIONS, FLOOD_RATE, RATE, STREAM_RATE, STREAM_TOKENS, TOKEN_MS, UPSTREAM_MS, names,
};
use super::side::Comparison;
use crate::figures;
use farthing_tests::text::{bars, grouped, table};

/// Everything.
#[derive(Debug, Clone)]
pub struct GatewayReport {
    /// Where this was measured.
    pub machine: Machine,
    /// As many requests as the processors can bear.
    pub throughput: Comparison,
    /// The layer and its peers.
    pub layers: Comparison,
    /// Requests at a rate.
    pub latency: Comparison,
    /// Paid requests at that rate, for long.
    pub sustained: Tally,
    /// Long streams.
    pub streams: Comparison,
}

/// The main figures: medians of the rounds. `None` is what could not be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GatewayFigures {
    /// Where this was measured.
    #[serde(flatten)]
    machine: Machine,
    /// Requests a second, the upstream called directly.
    direct_rps: Option<f64>,
    /// A free model through the gateway.
    unpaid_rps: Option<f64>,
    /// A priced model through the gateway.
    paid_rps: Option<f64>,
    /// The median of the rounds' ratios.
    paid_over_unpaid: Option<f64>,
    /// What paying through the gateway adds to the upstream's median.
    p50_added_ms: Option<f64>,
    /// To its 99th percentile.
    p99_added_ms: Option<f64>,
    /// What one commit of a store takes, with nothing else to do.
    commit_probe_p50_ms: Option<f64>,
    /// Its 99th percentile.
    commit_probe_p99_ms: Option<f64>,
    /// The layer's requests a second over the peer's.
    layer_over_x402_axum: Option<f64>,
    /// The same.
    over_x402_express: Option<f64>,
    /// Paid requests a second, for long.
    sustained_rps: Option<f64>,
    /// From arrival to the last byte.
    sustained_p99_ms: Option<f64>,
    /// The 99th percentile of paid requests in a flood, over that without.
    flood_p99_ratio: Option<f64>,
    /// Microseconds of the server's processor time for a request: the upstream.
    direct_cpu_us: Option<f64>,
    /// nginx in front of it.
    nginx_cpu_us: Option<f64>,
    /// litellm's proxy in front of it.
    litellm_cpu_us: Option<f64>,
    /// A free model through the gateway.
    unpaid_cpu_us: Option<f64>,
    /// A priced model through the gateway.
    paid_cpu_us: Option<f64>,
    /// The layer.
    layer_cpu_us: Option<f64>,
    /// `x402-axum`.
    x402_axum_cpu_us: Option<f64>,
    /// `@x402/express`.
    x402_express_cpu_us: Option<f64>,
    /// What paying adds to the median of a long stream's first byte.
    stream_first_byte_p50_added_ms: Option<f64>,
    /// To its 99th percentile.
    stream_first_byte_p99_added_ms: Option<f64>,
    /// Microseconds of the gateway's processor time for each event of a paid stream.
    stream_event_cpu_us: Option<f64>,
}

impl GatewayReport {
    /// The main figures.
    #[must_use]
    pub fn figures(&self) -> GatewayFigures {
        let rate = |name| of_rounds(&self.throughput, [name], |[tally]| Some(tally.rate()));
        let ratio = |comparison, over, under| {
            of_rounds(comparison, [over, under], |[over, under]| {
                Some(over.rate() / under.rate())
            })
        };
        let added = |percent| {
            let sides = [names::PAID, names::DIRECT];
            of_rounds(&self.latency, sides, |[paid, direct]| {
                let at = |tally: &Tally| percentile(&tally.whole, percent);
                Some(at(paid)? - at(direct)?)
            })
        };
        let commits = |percent| {
            let rounds = self.latency.commits.iter();
            median(rounds.map(|commits| percentile(commits, percent)).collect())
        };
        let flood = of_rounds(
            &self.latency,
            [names::FLOODED, names::PAID],
            |[flooded, paid]| Some(percentile(&flooded.whole, 99)? / percentile(&paid.whole, 99)?),
        );
        let cpu = |comparison, name| {
            rounded(
                of_rounds(comparison, [name], |[tally]| Some(cpu_us(tally))),
                1,
            )
        };
        let stream_added = |percent| {
            let sides = [names::PAID_STREAM, names::DIRECT_STREAM];
            of_rounds(&self.streams, sides, |[paid, direct]| {
                let at = |tally: &Tally| percentile(&tally.first_byte, percent);
                Some(at(paid)? - at(direct)?)
            })
        };
        GatewayFigures {
            direct_rps: rounded(rate(names::DIRECT), 0),
            unpaid_rps: rounded(rate(names::UNPAID), 0),
            paid_rps: rounded(rate(names::PAID), 0),
            paid_over_unpaid: rounded(ratio(&self.throughput, names::PAID, names::UNPAID), 3),
            p50_added_ms: rounded(added(50), 2),
            p99_added_ms: rounded(added(99), 2),
            commit_probe_p50_ms: rounded(commits(50), 2),
            commit_probe_p99_ms: rounded(commits(99), 2),
            layer_over_x402_axum: rounded(ratio(&self.layers, names::LAYER, names::X402_AXUM), 3),
            over_x402_express: rounded(ratio(&self.layers, names::LAYER, names::X402_EXPRESS), 2),
            sustained_rps: rounded(
                Some(self.sustained.rate()).filter(|rate| rate.is_finite()),
                0,
            ),
            sustained_p99_ms: rounded(percentile(&self.sustained.whole, 99), 2),
            flood_p99_ratio: rounded(flood, 2),
            machine: self.machine.clone(),
            direct_cpu_us: cpu(&self.throughput, names::DIRECT),
            nginx_cpu_us: cpu(&self.throughput, names::NGINX),
            litellm_cpu_us: cpu(&self.throughput, names::LITELLM),
            unpaid_cpu_us: cpu(&self.throughput, names::UNPAID),
            paid_cpu_us: cpu(&self.throughput, names::PAID),
            layer_cpu_us: cpu(&self.layers, names::LAYER),
            x402_axum_cpu_us: cpu(&self.layers, names::X402_AXUM),
            x402_express_cpu_us: cpu(&self.layers, names::X402_EXPRESS),
            stream_first_byte_p50_added_ms: rounded(stream_added(50), 2),
            stream_first_byte_p99_added_ms: rounded(stream_added(99), 2),
            stream_event_cpu_us: rounded(
                of_rounds(&self.streams, [names::PAID_STREAM], |[paid]| {
                    Some(cpu_us(paid) / f64::from(STREAM_TOKENS))
                }),
                1,
            ),
        }
    }
}

/// Microseconds of the server's processor time for a request.
fn cpu_us(tally: &Tally) -> f64 {
    tally.processor.as_secs_f64() * 1e6 / tally.answered as f64
}

/// The median over the rounds of a figure of some sides; `None` if a side is missing.
fn of_rounds<const N: usize>(
    comparison: &Comparison,
    sides: [&str; N],
    figure: impl Fn([&Tally; N]) -> Option<f64>,
) -> Option<f64> {
    let mut rows = Vec::new();
    for name in sides {
        let side = comparison.sides.iter().find(|(side, _)| *side == name)?;
        rows.push(&side.1);
    }
    let rounds = rows.iter().map(|row| row.len()).min()?;
    let of_round = |round: usize| figure(std::array::from_fn(|side| &rows[side][round]));
    median((0..rounds).map(of_round).collect())
}

/// The value in the middle; `None` if one is missing, or all are.
fn median(values: Vec<Option<f64>>) -> Option<f64> {
    let values = values.into_iter().collect::<Option<Vec<f64>>>()?;
    (!values.is_empty()).then(|| figures::median(values))
}

/// In milliseconds.
fn percentile(durations: &[Duration], percent: usize) -> Option<f64> {
    let latencies: Latencies = durations.iter().copied().collect();
    latencies.percentile(percent).map(milliseconds)
}

fn rounded(figure: Option<f64>, digits: i32) -> Option<f64> {
    figure.map(|figure| figures::rounded(figure, digits))
}

impl fmt::Display for GatewayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Measured on {}.\n", self.machine)?;
        writeln!(
            f,
            "## Throughput: {CONNECTIONS} connections, always busy, an upstream that answers at once\n"
        )?;
        write_rates(f, &self.throughput)?;
        writeln!(
            f,
            "## Latency: {} requests a second over {CONNECTIONS} connections, an upstream that takes {UPSTREAM_MS} ms\n",
            grouped(RATE as u64),
        )?;
        let sustained = ("gateway, paid, sustained", vec![self.sustained.clone()]);
        let sides: Vec<_> = self
            .latency
            .sides
            .iter()
            .cloned()
            .chain([sustained])
            .collect();
        write_latencies(f, &sides)?;
        let figures = self.figures();
        writeln!(
            f,
            "Paying through the gateway adds {} ms to the upstream's median and {} ms to its 99th percentile. A commit \
             alone took {} ms, and {} ms at the 99th percentile.\n",
            shown(figures.p50_added_ms, 2),
            shown(figures.p99_added_ms, 2),
            shown(figures.commit_probe_p50_ms, 2),
            shown(figures.commit_probe_p99_ms, 2),
        )?;
        writeln!(
            f,
            "In the flood {} requests a second come besides, half of them unpaid and half with forged vouchers.\n",
            grouped(FLOOD_RATE as u64),
        )?;
        writeln!(
            f,
            "## An application's handler behind a paywall: {CONNECTIONS} connections, always busy\n"
        )?;
        write_rates(f, &self.layers)?;
        writeln!(
            f,
            "## Streams of {STREAM_TOKENS} events: one each {TOKEN_MS} ms, {STREAM_RATE} begin a second\n"
        )?;
        write_latencies(f, &self.streams.sides)
    }
}

fn write_rates(f: &mut fmt::Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    if comparison.sides.is_empty() {
        return writeln!(f, "Not measured.\n");
    }
    let rows: Vec<[String; 5]> = comparison
        .sides
        .iter()
        .map(|(name, rounds)| row(name, rounds))
        .collect();
    let header = ["", "req/s", "p50 ms", "p99 ms", "server's CPU us/req"];
    writeln!(f, "{}", table(header, &rows))?;
    let rates: Vec<(&str, u64)> = comparison
        .sides
        .iter()
        .filter_map(|(name, rounds)| Some((*name, rate(rounds)?.round() as u64)))
        .collect();
    writeln!(f, "{}", bars("requests a second", &rates))
}

fn write_latencies(
    f: &mut fmt::Formatter<'_>,
    sides: &[(&'static str, Vec<Tally>)],
) -> fmt::Result {
    if sides.is_empty() {
        return writeln!(f, "Not measured.\n");
    }
    let first_byte = |rounds: &[Tally], percent| {
        let rounds = rounds.iter();
        let of_round = |tally: &Tally| percentile(&tally.first_byte, percent);
        shown(median(rounds.map(of_round).collect()), 2)
    };
    let rows: Vec<[String; 7]> = sides
        .iter()
        .map(|(name, rounds)| {
            let [name, rate, p50, p99, processor] = row(name, rounds);
            let first = [50, 99].map(|percent| first_byte(rounds, percent));
            let [first_p50, first_p99] = first;
            [name, rate, p50, p99, first_p50, first_p99, processor]
        })
        .collect();
    let header = [
        "",
        "req/s",
        "p50 ms",
        "p99 ms",
        "first byte p50",
        "p99",
        "server's CPU us/req",
    ];
    writeln!(f, "{}", table(header, &rows))?;
    let medians: Vec<(&str, u64)> = sides
        .iter()
        .filter_map(|(name, rounds)| Some((*name, (whole(rounds, 99)? * 1_000.0) as u64)))
        .collect();
    writeln!(f, "{}", bars("99th percentile in microseconds", &medians))
}

fn row(name: &str, rounds: &[Tally]) -> [String; 5] {
    let processor = rounds.iter().map(|tally| Some(cpu_us(tally)));
    [
        name.to_owned(),
        rate(rounds).map_or_else(missing, |rate| grouped(rate.round() as u64)),
        shown(whole(rounds, 50), 2),
        shown(whole(rounds, 99), 2),
        shown(median(processor.collect()), 0),
    ]
}

fn rate(rounds: &[Tally]) -> Option<f64> {
    median(rounds.iter().map(|tally| Some(tally.rate())).collect())
}

/// From arrival to the last byte, in milliseconds.
fn whole(rounds: &[Tally], percent: usize) -> Option<f64> {
    let of_round = |tally: &Tally| percentile(&tally.whole, percent);
    median(rounds.iter().map(of_round).collect())
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(missing, |figure| format!("{figure:.digits$}"))
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tally(answered: u64, milliseconds: u64) -> Tally {
        Tally {
            answered,
            seconds: 1.0,
            whole: vec![Duration::from_millis(milliseconds)],
            ..Tally::default()
        }
    }

    #[test]
    fn figures_are_medians_of_rounds_and_of_their_ratios() {
        let comparison = Comparison {
            sides: vec![
                ("a", vec![tally(10, 1), tally(30, 2), tally(20, 3)]),
                ("b", vec![tally(10, 0), tally(10, 0), tally(10, 0)]),
            ],
            commits: Vec::new(),
        };
        let ratio = |over, under| {
            of_rounds(&comparison, [over, under], |[over, under]| {
                Some(over.rate() / under.rate())
            })
        };
        assert_eq!(ratio("a", "b"), Some(2.0));
        assert_eq!(ratio("a", "not installed"), None);
        let (_, rounds) = &comparison.sides[0];
        assert_eq!(whole(rounds, 99), Some(2.0));
    }

    #[test]
    fn what_is_missing_is_null_under_the_names_that_readers_look_for() {
        let report = GatewayReport {
            throughput: Comparison::default(),
            layers: Comparison::default(),
            latency: Comparison::default(),
            sustained: tally(1_000, 21),
            streams: Comparison::default(),
            machine: Machine::here(),
        };
        let figures = serde_json::to_value(report.figures()).expect("figures are JSON");
        let figures = figures.as_object().expect("they have names");
        let known: Vec<&str> = figures
            .iter()
            .filter(|(_, figure)| !figure.is_null())
            .map(|(name, _)| name.as_str())
            .collect();
        let expected = [
            "avx512_ifma",
            "cores",
            "processor",
            "sustained_p99_ms",
            "sustained_rps",
        ];
        assert_eq!(BTreeSet::from_iter(known), BTreeSet::from(expected));
        assert_eq!(figures.len(), 27);
        assert!(report.to_string().contains("gateway, paid, sustained"));
    }
}
