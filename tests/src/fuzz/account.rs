//! Fuzz target for account data.
//!
//! The program's types and those of its clients agree about which bytes are an escrow, a channel or an approval, and
//! about every value in them. The exception is the version, which the program does not check, because it writes only
//! one. What was read is written as the same bytes. Whatever data an account of the program has, every instruction
//! ends by itself.

mod channel;

use anchor_lang::{AccountDeserialize, AccountSerialize};
use farthing::state;
use farthing_chain::{AccountError, Approval, Escrow};
use farthing_protocol::BaseUnits;
use farthing_protocol::layout::{
    APPROVAL_DISCRIMINATOR, CHANNEL_DISCRIMINATOR, ESCROW_DISCRIMINATOR, LAYOUT_VERSION,
};
use solana_sdk::account::Account;
use solana_sdk::pubkey::Pubkey;

use super::bytecode::{Bytecode, Outcome, Path, with};
use crate::program::stage::INSTRUCTIONS;

/// The kinds of accounts, by the first byte, with what they begin with.
pub const KINDS: [(&str, [u8; 8]); 3] = [
    ("escrow", ESCROW_DISCRIMINATOR),
    ("channel", CHANNEL_DISCRIMINATOR),
    ("approval", APPROVAL_DISCRIMINATOR),
];

/// Runs the target. The first two bytes choose the kind of account and the instruction that uses it; the others are the
/// account's data.
///
/// # Panics
/// If a property is violated.
pub fn run(input: &[u8]) -> Path {
    outcome(input).map_or_else(Path::default, |outcome| outcome.path)
}

/// Runs the target and returns the outcome of the instruction; `None` if the instruction uses no account of this kind.
///
/// # Panics
/// If a property is violated.
#[must_use]
pub fn outcome(input: &[u8]) -> Option<Outcome> {
    let [kind, number, data @ ..] = input else {
        return None;
    };
    escrow(data);
    channel::check(data);
    approval(data);
    let (_, discriminator) = KINDS[usize::from(*kind) % KINDS.len()];
    let number = usize::from(*number) % INSTRUCTIONS.len();
    with(|bytecode| {
        let (address, account) = bytecode.account(number, discriminator)?;
        Some(meet(bytecode, number, data, &address, account))
    })
}

impl Bytecode {
    /// The account of a kind that an instruction names.
    #[must_use]
    pub fn account(&self, number: usize, discriminator: [u8; 8]) -> Option<(Pubkey, Account)> {
        let chain = &self.stage.world.chain;
        self.right[number].accounts.iter().find_map(|meta| {
            let account = chain.account(&meta.pubkey)?;
            let is_it = account.owner == farthing::ID && account.data.starts_with(&discriminator);
            is_it.then_some((meta.pubkey, account))
        })
    }
}

/// Runs an instruction while an account of the program has other data.
fn meet(
    bytecode: &mut Bytecode,
    number: usize,
    data: &[u8],
    address: &Pubkey,
    right: Account,
) -> Outcome {
    let chain = &mut bytecode.stage.world.chain;
    let account = Account {
        data: data.to_vec(),
        lamports: right.lamports.max(chain.rent(data.len())),
        ..right
    };
    chain.set_account(address, account);
    let instruction = bytecode.right[number].clone();
    let outcome = bytecode.simulate(instruction);
    bytecode.stage.world.chain.set_account(address, right);
    outcome
}

fn escrow(data: &[u8]) {
    let program = state::Escrow::try_deserialize(&mut &data[..]);
    match (Escrow::decode(data), program) {
        (Ok(client), Ok(program)) => {
            assert_eq!(program.version, LAYOUT_VERSION);
            let expected = Escrow {
                bump: program.bump,
                vault_bump: program.vault_bump,
                owner: program.owner,
                mint: program.mint,
                token_program: program.token_program,
                escrow_id: program.escrow_id,
                rent_payer: program.rent_payer,
                manager_allowance: BaseUnits(program.manager_allowance),
                allocated: BaseUnits(program.allocated),
                open_channels: program.open_channels,
                event_sequence: program.event_sequence,
                manager: program.manager,
                countersigner: program.countersigner,
            };
            assert_eq!(client, expected);
            is_written_as(&program, data);
        }
        (client, program) => both_refuse(client, program.map(|escrow| escrow.version)),
    }
}

fn approval(data: &[u8]) {
    let program = state::Approval::try_deserialize(&mut &data[..]);
    match (Approval::decode(data), program) {
        (Ok(client), Ok(program)) => {
            assert_eq!(program.version, LAYOUT_VERSION);
            let expected = Approval {
                bump: program.bump,
                escrow: program.escrow,
                payee: program.payee,
                max_grace_seconds: program.max_grace_seconds,
                rent_payer: program.rent_payer,
            };
            assert_eq!(client, expected);
            is_written_as(&program, data);
        }
        (client, program) => both_refuse(client, program.map(|approval| approval.version)),
    }
}

/// What follows the fields is reserved for options that are absent now.
fn is_written_as(account: &impl AccountSerialize, data: &[u8]) {
    let mut written = Vec::new();
    account
        .try_serialize(&mut written)
        .expect("a vector takes everything");
    assert!(data.starts_with(&written));
}

fn both_refuse<T>(client: Result<T, AccountError>, program: anchor_lang::Result<u8>) {
    match (client, program) {
        (Err(AccountError::Version { version, .. }), Ok(found)) => {
            assert_eq!(version, found);
            assert_ne!(version, LAYOUT_VERSION);
        }
        (client, program) => {
            assert!(client.is_err(), "the program refuses what clients accept");
            assert!(program.is_err(), "clients refuse what the program accepts");
        }
    }
}
