//! Renders the page's sections about settling.

use crate::program::published;
use crate::program::report::{Batch, Densest, FEW_LANES, MANY_LANES, ProgramReport};
use farthing_tests::text::{bars, grouped, table};

const COMPARISON: &str = "\
## Beside payment-channels

The figures of payment-channels are published, not measured here. They are from solana-foundation/payment-channels,
docs/004, docs/006 and web/src/model.ts. Its channel has one agent, ours a lane for each. Its vouchers are checked by a
precompile, which costs the fee of a signature and no CU; ours by the program, which costs CU and no fee.
";

const DENSITIES: &str = "\
## The most that one transaction settles

Version 0 takes its accounts from an address lookup table. The channels are of as many owners' escrows, with one payee.
The runtime keeps 10,000 bytes of logs, in which the events are.
";

/// The section that compares the cost of settling an agent with that of payment-channels.
#[must_use]
pub fn beside_payment_channels(report: &ProgramReport) -> String {
    let figures = report.figures();
    let fees = [
        ("payment-channels, one", published::LAMPORTS_PER_VOUCHER),
        (
            "payment-channels, each of five",
            published::LAMPORTS_PER_VOUCHER_OF_FIVE,
        ),
        ("Farthing, each of 12 claims", figures.lamports_per_lane),
        (
            "Farthing, each of 88 lanes",
            figures.lamports_per_statement_lane,
        ),
    ];
    let header = [
        "",
        "Farthing, claims",
        "Farthing, statement",
        "payment-channels",
    ];
    format!(
        "{COMPARISON}\n{}\n{}",
        table(header, &comparison_rows(report)),
        bars("lamports of base fee for an agent that is settled", &fees),
    )
}

fn comparison_rows(report: &ProgramReport) -> [[String; 4]; 5] {
    let figures = report.figures();
    let [claim, ..] = &report.claims;
    let [statement, ..] = &report.statements;
    [
        [
            "agents settled in one transaction".to_owned(),
            grouped(figures.claims_per_tx),
            grouped(figures.statement_lanes_per_tx),
            format!(
                "{} in {} bytes; {} planned, not built",
                published::CHANNELS_PER_TRANSACTION,
                grouped(published::BYTES_OF_TRANSACTION),
                published::PLANNED_CHANNELS_PER_TRANSACTION,
            ),
        ],
        [
            "base fee of a lone agent, lamports".to_owned(),
            grouped(claim.lamports_per_lane()),
            grouped(statement.lamports_per_lane()),
            grouped(published::LAMPORTS_PER_VOUCHER),
        ],
        [
            "base fee per agent of a full transaction, lamports".to_owned(),
            grouped(figures.lamports_per_lane),
            grouped(figures.lamports_per_statement_lane),
            format!(
                "{} (our arithmetic)",
                grouped(published::LAMPORTS_PER_VOUCHER_OF_FIVE)
            ),
        ],
        [
            "CU per agent of a full transaction".to_owned(),
            grouped(figures.cu_per_claim_12),
            grouped(figures.cu_per_statement_lane_88),
            format!(
                "{} of the program",
                grouped(published::COMPUTE_UNITS_PER_VOUCHER)
            ),
        ],
        [
            "rent of one more agent, lamports".to_owned(),
            grouped(figures.rent_lamports_per_lane),
            grouped(figures.rent_lamports_per_lane),
            grouped(published::RENT_PER_CHANNEL),
        ],
    ]
}

/// The section about the largest settlement transactions.
#[must_use]
pub fn densities(report: &ProgramReport) -> String {
    let row = |format: &str, settled: &str, densest: &Densest| {
        let (largest, cost) = (densest.largest, densest.cost);
        [
            settled.to_owned(),
            format.to_owned(),
            grouped(largest.count as u64),
            grouped(largest.bytes as u64),
            grouped(largest.bytes_of_next as u64),
            grouped(cost.compute_units),
            grouped(cost.lamports),
            grouped(cost.log_bytes as u64),
        ]
    };
    let formats = [
        ("version 0", &report.lookup_table),
        ("legacy", &report.legacy),
    ];
    let rows: Vec<[String; 8]> = formats
        .iter()
        .flat_map(|(format, densities)| {
            [
                row(format, "claims on one channel", &densities.claims),
                row(format, "channels, one claim each", &densities.channels),
                row(format, "lanes of a statement", &densities.statement),
            ]
        })
        .collect();
    let header = [
        "settled",
        "transaction",
        "most",
        "bytes",
        "bytes of one more",
        "CU",
        "lamports",
        "log bytes",
    ];
    format!("{DENSITIES}\n{}", table(header, &rows))
}

/// The section about the cost of claims and statements of different sizes.
#[must_use]
pub fn batches(report: &ProgramReport) -> String {
    format!(
        "\
## What settling costs

In a channel of {FEW_LANES} lanes, or of as many as are settled; and in one of {}. Version 0 with a lookup table.

{}\n{}\n{}\n{}",
        grouped(MANY_LANES as u64),
        batch_table("claims", &report.claims),
        batch_chart(
            "CU of each claim, by the claims in a transaction",
            &report.claims
        ),
        batch_table("lanes of a statement", &report.statements),
        batch_chart(
            "CU of each lane, by the lanes of a statement",
            &report.statements
        ),
    )
}

fn batch_table(what: &str, batches: &[Batch; 4]) -> String {
    let rows = batches.each_ref().map(|batch| {
        [
            grouped(batch.lanes as u64),
            grouped(batch.few.bytes as u64),
            grouped(batch.few.compute_units),
            grouped(batch.many.compute_units),
            grouped(batch.compute_units_per_lane()),
            grouped(batch.few.lamports),
            grouped(batch.lamports_per_lane()),
        ]
    });
    let many = format!("CU, {} lanes", grouped(MANY_LANES as u64));
    let header = [
        what,
        "bytes",
        "CU",
        many.as_str(),
        "CU each",
        "lamports",
        "lamports each",
    ];
    table(header, &rows)
}

fn batch_chart(unit: &str, batches: &[Batch; 4]) -> String {
    let names = batches.each_ref().map(|batch| batch.lanes.to_string());
    let rows: Vec<(&str, u64)> = names
        .iter()
        .map(String::as_str)
        .zip(batches.iter().map(Batch::compute_units_per_lane))
        .collect();
    bars(unit, &rows)
}

/// The section about the cost of channels of different sizes.
#[must_use]
pub fn sizes(report: &ProgramReport) -> String {
    let rows = report.sizes.each_ref().map(|size| {
        [
            grouped(size.lanes as u64),
            grouped(size.account_bytes as u64),
            grouped(size.claim.compute_units),
            grouped(size.statement.compute_units),
            grouped(size.close.compute_units),
        ]
    });
    let header = [
        "lanes of the channel",
        "bytes of the account",
        "CU of one claim",
        "CU of a statement of one lane",
        "CU of the close",
    ];
    format!(
        "## Channels of any size\n\n\
         Lanes are used in place, so that a channel costs the same to settle and to close however many it has.\n\n{}",
        table(header, &rows),
    )
}
