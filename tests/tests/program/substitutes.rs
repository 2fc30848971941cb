//! Tests with wrong accounts: for every account of every instruction, what happens if another account, a broken one, or
//! one with fewer rights is given in its place.
//!
//! `substitutes.txt` lists the outcomes and is compared with what the bytecode does. After an intended change,
//! `FARTHING_BLESS=1` rewrites it; review the diff afterwards. Every outcome `accepted` needs a reason:
//!
//! * the rent payer of `create_escrow`, `approve_payee` and `open_channel`: any signer may pay the rent;
//! * the escrow of `set_countersigner`: the sibling has the same owner, who signs;
//! * the destination of `withdraw`: the owner signs, and may choose any destination;
//! * the payee's account of `settle`, `settle_statement` and `close_channel` with another program as its owner:
//!   to the token program such an account is closed, so the amount remains unpaid.

use std::fmt::Write as _;

use farthing_tests::program::stage::{Build, INSTRUCTIONS, Stage};
use litesvm::types::FailedTransactionMetadata;
use solana_sdk::account::Account;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::TransactionError;

/// The outcomes that are expected.
const EXPECTED: &str = include_str!("substitutes.txt");

/// One way in which an account can be wrong.
#[derive(Debug, Clone, Copy)]
enum Class {
    /// The same kind of account, of another escrow, channel, wallet or mint.
    Sibling,
    /// The account as it is, but of another program.
    Owner,
    /// The account as it is, but of another type.
    Discriminator,
    /// An address without an account.
    Missing,
    /// Without its signature.
    Unsigned,
    /// Not writable.
    Readonly,
    /// Another account of the instruction, a second time.
    Duplicate,
}

const CLASSES: [(Class, &str); 7] = [
    (Class::Sibling, "sibling"),
    (Class::Owner, "owner"),
    (Class::Discriminator, "discriminator"),
    (Class::Missing, "missing"),
    (Class::Unsigned, "unsigned"),
    (Class::Readonly, "readonly"),
    (Class::Duplicate, "duplicate"),
];

/// A wrong instruction, and the account that must be broken while it runs.
struct Wrong {
    instruction: Instruction,
    broken: Option<(Pubkey, Account)>,
}

impl Class {
    /// The instruction with the account at `index` wrong, `None` where the class says nothing about it.
    fn apply(
        self,
        stage: &mut Stage,
        right: &Instruction,
        index: usize,
        name: &str,
    ) -> Option<Wrong> {
        let mut instruction = right.clone();
        let meta = right.accounts[index].clone();
        let account = stage.world.chain.account(&meta.pubkey);
        let has_data = account
            .as_ref()
            .is_some_and(|account| !account.executable && !account.data.is_empty());
        let mut broken = None;
        let wrong = &mut instruction.accounts[index];
        match self {
            Self::Sibling => wrong.pubkey = stage.sibling(name, meta.pubkey)?,
            Self::Owner if has_data => {
                let account = account?;
                let owner = stage.world.stranger;
                broken = Some((meta.pubkey, Account { owner, ..account }));
            }
            Self::Discriminator if has_data => {
                let mut account = account.filter(|account| account.owner == farthing::ID)?;
                account.data[0] ^= 0xff;
                broken = Some((meta.pubkey, account));
            }
            Self::Missing if has_data => wrong.pubkey = stage.world.chain.new_address(),
            Self::Unsigned if meta.is_signer => wrong.is_signer = false,
            Self::Readonly if meta.is_writable => wrong.is_writable = false,
            Self::Duplicate if has_data => {
                let other = right.accounts.iter().find(|other| {
                    other.is_writable && !other.is_signer && other.pubkey != meta.pubkey
                })?;
                wrong.pubkey = other.pubkey;
            }
            _ => return None,
        }
        Some(Wrong {
            instruction,
            broken,
        })
    }
}

fn outcome(result: Result<(), FailedTransactionMetadata>) -> String {
    match result {
        Ok(()) => "accepted".to_owned(),
        Err(failure) => match failure.err {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                code.to_string()
            }
            TransactionError::InstructionError(_, error) => format!("{error:?}"),
            error => format!("{error:?}"),
        },
    }
}

/// Runs a wrong instruction, and mends what was broken for it.
fn run(stage: &mut Stage, wrong: Wrong) -> String {
    let mut mended = None;
    if let Some((address, account)) = wrong.broken {
        mended = stage
            .world
            .chain
            .account(&address)
            .map(|right| (address, right));
        stage.world.chain.set_account(&address, account);
    }
    let result = stage.world.chain.send(&[wrong.instruction]);
    if let (Some((address, right)), Err(_)) = (mended, &result) {
        stage.world.chain.set_account(&address, right);
    }
    outcome(result.map(|_| ()).map_err(|failure| *failure))
}

/// A line for each account of an instruction.
fn table(name: &str, build: Build) -> String {
    let mut lines = String::new();
    let mut stage = Stage::new();
    let (accounts, mut right) = build(&mut stage);
    assert_eq!(accounts.len(), right.accounts.len(), "{name}");
    for (index, account) in accounts.iter().enumerate() {
        let mut line = format!("{name}.{account}:");
        for (class, label) in CLASSES {
            let Some(wrong) = class.apply(&mut stage, &right, index, account) else {
                continue;
            };
            let outcome = run(&mut stage, wrong);
            if outcome == "accepted" {
                stage = Stage::new();
                right = build(&mut stage).1;
            }
            write!(line, " {label}={outcome}").expect("a string takes everything");
        }
        lines.push_str(&line);
        lines.push('\n');
    }
    // The outcomes mean something only if the right accounts are accepted.
    stage.world.chain.succeed(&[right]);
    lines
}

#[test]
fn wrong_accounts_are_refused() {
    let table: String = INSTRUCTIONS
        .iter()
        .map(|(name, build)| table(name, *build))
        .collect();
    if std::env::var_os("FARTHING_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/substitutes.txt");
        std::fs::write(path, &table).expect("the table can be written");
        return;
    }
    for (expected, found) in EXPECTED.lines().zip(table.lines()) {
        assert_eq!(expected, found);
    }
    assert_eq!(EXPECTED.lines().count(), table.lines().count());
}
