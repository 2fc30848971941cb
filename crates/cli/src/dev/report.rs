//! The report of a demo run: the figures, whether they reconcile, and how they are shown.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use serde::Serialize;

use super::latency::{Latencies, milliseconds};

/// The figures of a run, as printed by `--json`: amounts in base units, times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct EconomyFigures {
    /// Number of agents, each with its own lane.
    pub agents: u16,
    /// Number of paid requests that were answered in full, with a receipt.
    pub requests_ok: u64,
    /// Number of paid requests that were not answered in full or have no receipt.
    pub requests_failed: u64,
    /// Number of `requests_ok` that were streams.
    pub streamed: u64,
    /// Sum of the charges in the clients' receipts.
    pub charged: u64,
    /// The channel's debit, read from the chain before it was closed.
    pub settled_on_chain: u64,
    /// Balance of the payee's token account, read from the chain.
    pub payee_received: u64,
    /// Amount by which the owner's transfer increased the escrow's vault, read from the chain.
    pub owner_deposited: u64,
    /// Amount by which the owner's token account grew after the transfer, read from the chain.
    pub owner_refunded: u64,
    /// Balance of the vault at the end, read from the chain.
    pub vault_left: u64,
    /// Number of settlement transactions.
    pub settle_transactions: u64,
    /// Number of settlement rounds.
    pub settlement_rounds: u64,
    /// Fees of all transactions of the run, setting up and closing included, read from the chain.
    pub lamports_fees: u64,
    /// From the start of the command to the end of the first paid answer.
    pub first_paid_ms: f64,
    /// Median time of a paid request, from its start to the end of its answer.
    pub paid_p50_ms: f64,
    /// 99th percentile of the time of a paid request, from its start to the end of its answer.
    pub paid_p99_ms: f64,
}

impl EconomyFigures {
    /// The conditions of success, each with whether it holds.
    #[must_use]
    pub fn checks(&self) -> [(&'static str, bool); 5] {
        let returned = self.payee_received.checked_add(self.owner_refunded);
        [
            (
                "every request succeeded",
                self.requests_failed == 0 && self.requests_ok > 0,
            ),
            ("something was charged", self.charged > 0),
            (
                "charged = settled on-chain = received by the payee",
                self.charged == self.settled_on_chain && self.charged == self.payee_received,
            ),
            (
                "deposited = received by the payee + refunded",
                Some(self.owner_deposited) == returned,
            ),
            ("nothing is left in the vault", self.vault_left == 0),
        ]
    }

    /// Whether every condition holds.
    #[must_use]
    pub fn reconciles(&self) -> bool {
        self.checks().iter().all(|(_, holds)| *holds)
    }
}

/// Measurements of the time that paying adds to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overhead {
    /// Durations of paid requests, sent one at a time.
    pub paid: Latencies,
    /// Durations of the same requests unpaid, sent in turn with the paid ones.
    pub unpaid: Latencies,
    /// Durations of group commits on this machine, measured in turn with the requests.
    pub commits: Latencies,
}

impl Overhead {
    /// Maximum time that paying may add, in durations of a group commit.
    pub const LIMIT: f64 = 3.0;

    /// Time that paying adds to the median request, in durations of a median group commit; `None` without measurements.
    #[must_use]
    pub fn in_commits(&self) -> Option<f64> {
        let seconds = |of: &Latencies| of.percentile(50).map(|time| time.as_secs_f64());
        let commit = seconds(&self.commits).filter(|commit| *commit > 0.0)?;
        Some((seconds(&self.paid)? - seconds(&self.unpaid)?) / commit)
    }
}

/// The report of a run. Its JSON consists of the figures only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EconomyReport {
    /// The figures.
    #[serde(flatten)]
    pub figures: EconomyFigures,
    /// The overhead of paying, if it could be measured.
    #[serde(skip)]
    pub overhead: Option<Overhead>,
    /// The first different failures, for people.
    #[serde(skip)]
    pub failures: Vec<String>,
}

impl fmt::Display for EconomyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", money(&self.figures))?;
        writeln!(f, "{}", work(&self.figures))?;
        if let Some(overhead) = &self.overhead {
            writeln!(f, "{}", time(overhead))?;
        }
        for (condition, holds) in self.figures.checks() {
            writeln!(f, "{} {condition}", if holds { "ok  " } else { "FAIL" })?;
        }
        for failure in &self.failures {
            writeln!(f, "failed: {failure}")?;
        }
        Ok(())
    }
}

fn table(header: [&str; 3]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_header(header);
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn money(figures: &EconomyFigures) -> Table {
    let mut table = table(["money", "USDC", "base units"]);
    for (what, base_units) in [
        ("owner prepaid", figures.owner_deposited),
        ("agents were charged (receipts)", figures.charged),
        ("settled on-chain", figures.settled_on_chain),
        ("payee received", figures.payee_received),
        ("owner got back", figures.owner_refunded),
        ("left in the vault", figures.vault_left),
    ] {
        let usdc = Usdc(BaseUnits(base_units)).to_string();
        table.add_row([what.to_owned(), usdc, base_units.to_string()]);
    }
    table
}

fn work(figures: &EconomyFigures) -> Table {
    let mut table = table(["work", "", "detail"]);
    let requests = figures.requests_ok + figures.requests_failed;
    for (what, value, detail) in [
        (
            "paid requests answered",
            format!("{} of {requests}", figures.requests_ok),
            format!("{} streamed, {} agents", figures.streamed, figures.agents),
        ),
        (
            "first paid answer",
            format!("{:.0} ms", figures.first_paid_ms),
            "after the start of this command".to_owned(),
        ),
        (
            "paid request, from start to end",
            format!("{:.2} ms p50", figures.paid_p50_ms),
            format!("{:.2} ms p99", figures.paid_p99_ms),
        ),
        (
            "settlement",
            format!("{} transactions", figures.settle_transactions),
            format!("{} rounds", figures.settlement_rounds),
        ),
        (
            "fees of all transactions",
            format!("{} lamports", figures.lamports_fees),
            String::new(),
        ),
    ] {
        table.add_row([what.to_owned(), value, detail]);
    }
    table
}

fn time(overhead: &Overhead) -> Table {
    let mut table = table(["what paying adds, one request at a time", "p50", "p99"]);
    let cell = |of: &Latencies, percent| {
        of.percentile(percent)
            .map_or_else(String::new, |time| format!("{:.2} ms", milliseconds(time)))
    };
    for (what, latencies) in [
        ("paid request", &overhead.paid),
        ("unpaid request through the same gateway", &overhead.unpaid),
        ("group commit on this machine", &overhead.commits),
    ] {
        let what = format!("{what} ({})", latencies.count());
        table.add_row([what, cell(latencies, 50), cell(latencies, 99)]);
    }
    if let Some(commits) = overhead.in_commits() {
        let verdict = if commits <= Overhead::LIMIT {
            "ok"
        } else {
            "too slow"
        };
        table.add_row([
            format!(
                "paying adds, in group commits (at most {:.0})",
                Overhead::LIMIT
            ),
            format!("{commits:.2}"),
            verdict.to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn balanced() -> EconomyFigures {
        EconomyFigures {
            agents: 2,
            requests_ok: 10,
            requests_failed: 0,
            streamed: 5,
            charged: 700,
            settled_on_chain: 700,
            payee_received: 700,
            owner_deposited: 1_000_000,
            owner_refunded: 999_300,
            vault_left: 0,
            settle_transactions: 1,
            settlement_rounds: 1,
            lamports_fees: 5_000,
            first_paid_ms: 1.0,
            paid_p50_ms: 1.0,
            paid_p99_ms: 1.0,
        }
    }

    #[test]
    fn every_condition_counts() {
        assert!(balanced().reconciles());
        let changes: [fn(&mut EconomyFigures); 8] = [
            |figures| figures.requests_failed = 1,
            |figures| figures.requests_ok = 0,
            |figures| figures.settled_on_chain += 1,
            |figures| figures.payee_received -= 1,
            |figures| figures.charged += 1,
            |figures| figures.owner_refunded -= 1,
            |figures| figures.owner_deposited += 1,
            |figures| figures.vault_left = 1,
        ];
        for change in changes {
            let mut figures = balanced();
            change(&mut figures);
            assert!(!figures.reconciles(), "{figures:?}");
        }
        let mut idle = balanced();
        (idle.charged, idle.settled_on_chain, idle.payee_received) = (0, 0, 0);
        idle.owner_refunded = idle.owner_deposited;
        assert!(!idle.reconciles());
    }

    #[test]
    fn json_has_exactly_the_promised_fields_in_order() {
        let report = EconomyReport {
            figures: balanced(),
            overhead: None,
            failures: vec!["a failure".to_owned()],
        };
        let json = serde_json::to_string(&report).expect("figures are plain numbers");
        let names: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
        let promised = "agents, requests_ok, requests_failed, streamed, charged, settled_on_chain, \
            payee_received, owner_deposited, owner_refunded, vault_left, settle_transactions, \
            settlement_rounds, lamports_fees, first_paid_ms, paid_p50_ms, paid_p99_ms";
        assert_eq!(names, promised.split(", ").collect::<Vec<_>>());
    }

    #[test]
    fn overhead_is_counted_in_commits() {
        let of = |quarters: u64| Latencies::from_iter([Duration::from_millis(250 * quarters)]);
        let overhead = Overhead {
            paid: of(15),
            unpaid: of(5),
            commits: of(4),
        };
        assert_eq!(overhead.in_commits(), Some(2.5));
        let unmeasured = Overhead {
            commits: Latencies::default(),
            ..overhead
        };
        assert_eq!(unmeasured.in_commits(), None);
    }
}
