//! Fuzz target for instruction data.
//!
//! The program's types either read bytes as arguments or refuse them, and what was read is written as the same bytes.
//! The bytecode agrees about which bytes are arguments and always ends by itself, and every instruction that it
//! accepts keeps the properties of [`super::money`].

mod decode;

use anchor_lang::{AnchorDeserialize, InstructionData, ToAccountMetas};
use farthing::instruction as data;
use farthing_protocol::instruction::{
    APPROVE_PAYEE, CREATE_ESCROW, OPEN_CHANNEL, SETTLE, SETTLE_STATEMENT,
};
use farthing_protocol::statement::MAX_STATEMENT_ENTRIES;
use solana_sdk::instruction::{AccountMeta, Instruction};

use self::decode::{Data, decode};
use super::bytecode::{Outcome, Path, with};
use super::money;
use crate::program::density::PACKET;
use crate::program::stage::{INSTRUCTIONS, Stage};

/// Bit of the first byte that is set if claims and statements are to be signed with the right keys, since a fuzzer
/// cannot guess signatures.
pub const SIGNED: u8 = 0x80;

/// Anchor's code for data that starts with the number of no instruction.
const NO_INSTRUCTION: u32 = 101;
/// Anchor's code for data that are not the instruction's arguments.
const NO_ARGUMENTS: u32 = 102;
/// Anchor's code for data that start like an event, which this program does not emit by a call to itself.
const EVENT: u32 = 1500;

/// Runs the target. The first byte chooses the instruction whose accounts are used, and whether the data is signed.
///
/// # Panics
/// If a property is violated.
pub fn run(input: &[u8]) -> Path {
    outcome(input).map_or_else(Path::default, |outcome| outcome.path)
}

/// Runs the target and returns the outcome of the instruction; `None` if the input is too short or too long.
///
/// # Panics
/// If a property is violated.
#[must_use]
pub fn outcome(input: &[u8]) -> Option<Outcome> {
    let (&selector, data) = input.split_first()?;
    let decoded = decode(data);
    if data.len() > PACKET {
        return None;
    }
    let number = usize::from(selector & !SIGNED) % INSTRUCTIONS.len();
    with(|bytecode| {
        let mut instruction = bytecode.right[number].clone();
        data.clone_into(&mut instruction.data);
        if decoded == Data::Arguments && usize::from(data[0]) == number {
            if let Some(accounts) = accounts(&mut bytecode.stage, data) {
                instruction.accounts = accounts;
            }
            if selector & SIGNED != 0 {
                sign(&bytecode.stage, &mut instruction);
            }
        }
        let outcome = bytecode.simulate(instruction);
        let found = match outcome.code() {
            Some(NO_INSTRUCTION | EVENT) => Data::NoInstruction,
            Some(NO_ARGUMENTS) => Data::NoArguments,
            _ => Data::Arguments,
        };
        assert_eq!(decoded, found);
        if let Ok(changed) = &outcome.result {
            money::check(&bytecode.stage, changed);
        }
        Some(outcome)
    })
}

/// The arguments after the number, which were read before.
fn arguments<T: AnchorDeserialize>(data: &[u8]) -> T {
    T::deserialize(&mut &data[1..]).expect("they were read before")
}

/// The accounts of an instruction whose arguments decide about their addresses.
fn accounts(stage: &mut Stage, data: &[u8]) -> Option<Vec<AccountMeta>> {
    let world = &mut stage.world;
    Some(match data[0] {
        CREATE_ESCROW => {
            let data::CreateEscrow { args } = arguments(data);
            world
                .create_escrow_accounts(args.escrow_id)
                .to_account_metas(None)
        }
        APPROVE_PAYEE => {
            let data::ApprovePayee { args } = arguments(data);
            let payee = std::mem::replace(&mut world.payee, args.payee);
            let accounts = world.approve_payee_accounts().to_account_metas(None);
            world.payee = payee;
            accounts
        }
        OPEN_CHANNEL => {
            let data::OpenChannel { args } = arguments(data);
            world.open_channel_accounts(&args).to_account_metas(None)
        }
        _ => return None,
    })
}

/// Replaces the signatures in an instruction by valid ones.
fn sign(stage: &Stage, instruction: &mut Instruction) {
    match instruction.data[0] {
        SETTLE => {
            let data::Settle { mut args } = arguments(&instruction.data);
            for claim in &mut args.claims {
                if let Some(agent) = stage.agents.get(usize::from(claim.lane)) {
                    let lane = (claim.lane, agent);
                    let (authorized, undebited) = (claim.authorized, claim.undebited);
                    *claim = stage
                        .world
                        .claim(stage.channel.domain, lane, authorized, undebited);
                }
            }
            instruction.data = data::Settle { args }.data();
        }
        SETTLE_STATEMENT => {
            let data::SettleStatement { mut args } = arguments(&instruction.data);
            let totals: Vec<(u16, u64)> = args
                .entries
                .iter()
                .map(|entry| (entry.lane, entry.debit_to))
                .collect();
            let is_statement = (1..=MAX_STATEMENT_ENTRIES).contains(&totals.len())
                && totals.is_sorted_by(|one, next| one.0 < next.0)
                && totals
                    .iter()
                    .all(|(lane, _)| usize::from(*lane) < stage.agents.len());
            if is_statement {
                let (channel, signer) = (&stage.channel, &stage.countersigner);
                args.signature = stage.world.statement(channel, signer, &totals).signature;
            }
            instruction.data = data::SettleStatement { args }.data();
        }
        _ => {}
    }
}
