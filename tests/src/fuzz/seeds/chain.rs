//! Seeds of the data that the program and its clients exchange.

use anchor_lang::InstructionData;
use farthing::instruction as data;
use farthing::{Claim, EarlierGeneration, SettleArgs, SettleStatementArgs, StatementClaim};
use farthing_protocol::instruction::{SETTLE, SETTLE_STATEMENT};
use farthing_protocol::state_query::StateQuery;
use farthing_protocol::statement::{
    MAX_STATEMENT_ENTRIES, STATEMENT_ENTRY_LENGTH, StatementEntry, statement_bytes,
};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};

use super::Seed;
use crate::fuzz::account::KINDS;
use crate::fuzz::bytecode::with;
use crate::fuzz::instruction::SIGNED;
use crate::program::stage::INSTRUCTIONS;
use crate::program::world::sha256;

const DOMAIN: Domain = Domain([7; 32]);

/// Every instruction in a form that succeeds, and settlements of several lanes.
pub(super) fn instructions() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = with(|bytecode| {
        INSTRUCTIONS
            .iter()
            .zip(&bytecode.right)
            .zip(0..)
            .map(|(((name, _), right), number)| instruction(name, number, &right.data))
            .collect()
    });
    let claims = (0..3).map(claim).collect();
    let settle = data::Settle {
        args: SettleArgs { claims },
    };
    let statement = data::SettleStatement {
        args: SettleStatementArgs {
            signature: [0; 64],
            entries: (0..3).map(total).collect(),
            earlier: Vec::new(),
        },
    };
    let rotated = data::SettleStatement {
        args: SettleStatementArgs {
            signature: [0; 64],
            entries: (0..2).map(total).collect(),
            earlier: vec![EarlierGeneration {
                lane: 1,
                generation: 0,
            }],
        },
    };
    let full = data::Settle {
        args: SettleArgs {
            claims: (0..12).map(claim).collect(),
        },
    };
    seeds.extend([
        instruction("settle_signed", SETTLE | SIGNED, &settle.data()),
        instruction("settle_full", SETTLE | SIGNED, &full.data()),
        instruction(
            "settle_statement_signed",
            SETTLE_STATEMENT | SIGNED,
            &statement.data(),
        ),
        instruction(
            "settle_statement_rotated",
            SETTLE_STATEMENT | SIGNED,
            &rotated.data(),
        ),
    ]);
    seeds
}

fn instruction(name: &str, selector: u8, data: &[u8]) -> Seed {
    Seed::new("instruction", name, [&[selector], data].concat())
}

fn claim(lane: u16) -> Claim {
    Claim {
        lane,
        authorized: 110 + u64::from(lane),
        undebited: 5,
        signature: [0; 64],
    }
}

fn total(lane: u16) -> StatementClaim {
    StatementClaim {
        lane,
        debit_to: 105 + u64::from(lane),
    }
}

/// Every account of the program that an instruction uses.
pub(super) fn accounts() -> Vec<Seed> {
    with(|bytecode| {
        let mut seeds = Vec::new();
        for ((kind, discriminator), selector) in KINDS.into_iter().zip(0..) {
            for ((name, _), number) in INSTRUCTIONS.iter().zip(0..) {
                if let Some((_, account)) = bytecode.account(usize::from(number), discriminator) {
                    let bytes = [&[selector, number], &account.data[..]].concat();
                    seeds.push(Seed::new("account", format!("{kind}_{name}"), bytes));
                }
            }
        }
        seeds
    })
}

/// Messages that are signed.
pub(super) fn messages() -> Vec<Seed> {
    let voucher = Voucher {
        domain: DOMAIN,
        lane: LaneIndex(3),
        generation: Generation(1),
        authorized: BaseUnits(2_100),
    };
    let query = StateQuery {
        domain: DOMAIN,
        lane: LaneIndex(3),
        generation: Generation(1),
        unix_seconds: 1_800_000_000,
    };
    let entry = StatementEntry {
        lane: LaneIndex(0),
        generation: Generation(0),
        debit_to: BaseUnits(400),
    };
    let statement = statement_bytes(sha256, &DOMAIN, &[entry]).expect("a statement");
    let most = u16::try_from(MAX_STATEMENT_ENTRIES).expect("a small constant");
    vec![
        Seed::new("voucher", "voucher", voucher.to_bytes()),
        Seed::new("voucher", "state_query", query.to_bytes()),
        Seed::new("voucher", "statement", statement),
        Seed::new("voucher", "cut_off", &voucher.to_bytes()[..46]),
        Seed::new("statement", "one_lane", entries(0..1)),
        Seed::new("statement", "ten_lanes", entries(0..10)),
        Seed::new("statement", "most_lanes", entries(0..most)),
        Seed::new("statement", "too_many_lanes", entries(0..most + 1)),
        Seed::new("statement", "descending", entries((0..4).rev())),
        Seed::new("statement", "twice", entries([5, 5].into_iter())),
        Seed::new("statement", "empty", DOMAIN.0),
    ]
}

fn entries(lanes: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut bytes = DOMAIN.0.to_vec();
    for lane in lanes {
        let mut entry = [0; STATEMENT_ENTRY_LENGTH];
        entry[..2].copy_from_slice(&lane.to_le_bytes());
        entry[4..].copy_from_slice(&(400 + u64::from(lane)).to_le_bytes());
        bytes.extend(entry);
    }
    bytes
}
