//! Computes the report's figures from what the clients observed, without side effects.

use std::time::Instant;

use farthing_protocol::BaseUnits;

use super::latency::{Latencies, milliseconds};
use super::report::{EconomyFigures, Overhead};
use super::swarm::{Calm, Outcome};

/// Maximum number of different failures that are shown.
const MAX_FAILURES_SHOWN: usize = 5;

/// Sum of the charges of the answered requests.
pub fn charged(outcomes: &[Outcome]) -> BaseUnits {
    let costs = outcomes
        .iter()
        .filter_map(|outcome| outcome.charged.as_ref().ok());
    BaseUnits(costs.map(|cost| cost.0).sum())
}

/// The figures that the clients know. Those of the chain are left at zero.
pub fn of_requests(outcomes: &[Outcome], requests: u64, started: Instant) -> EconomyFigures {
    let answered = || outcomes.iter().filter(|outcome| outcome.charged.is_ok());
    let took: Latencies = answered().map(|outcome| outcome.took).collect();
    let requests_ok = answered().count() as u64;
    let first_paid = answered()
        .map(|outcome| outcome.ended.duration_since(started))
        .min();
    EconomyFigures {
        requests_ok,
        requests_failed: requests - requests_ok,
        streamed: answered().filter(|outcome| outcome.streamed).count() as u64,
        charged: charged(outcomes).0,
        first_paid_ms: milliseconds(first_paid.unwrap_or_default()),
        paid_p50_ms: milliseconds(took.percentile(50).unwrap_or_default()),
        paid_p99_ms: milliseconds(took.percentile(99).unwrap_or_default()),
        ..EconomyFigures::default()
    }
}

/// The overhead of paying, or `None` if too little was measured.
pub fn overhead(calm: Calm) -> Option<Overhead> {
    let answered = calm.paid.iter().filter(|outcome| outcome.charged.is_ok());
    let overhead = Overhead {
        paid: answered.map(|outcome| outcome.took).collect(),
        unpaid: calm.unpaid.into_iter().collect(),
        commits: calm.commits.into_iter().collect(),
    };
    overhead.in_commits().is_some().then_some(overhead)
}

/// The first few different reasons why requests failed.
pub fn failures(outcomes: &[Outcome]) -> Vec<String> {
    let mut reasons: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.charged.as_ref().err().cloned())
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons.truncate(MAX_FAILURES_SHOWN);
    reasons
}
