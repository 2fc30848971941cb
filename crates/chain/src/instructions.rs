//! One builder for each instruction of the program; all are pure.
//!
//! By role: [`escrow`] for owners, [`channel`] for owners and managers, [`settlement`] for payees and
//! settlers, [`token`] for instructions of the token programs. Arguments and accounts are in the program's order;
//! `tests/tests/chain` compares both with what Anchor generates.

pub mod channel;
pub mod escrow;
pub mod settlement;
pub mod token;

pub use channel::{
    AddLanes, FundChannel, NewLane, OpenChannel, RaiseCap, RotateLane, add_lanes, fund_channel,
    open_channel, raise_cap, request_close, revoke_lane, rotate_lane,
};
pub use escrow::{
    CloseEscrow, CreateEscrow, Rescue, SetCountersigner, SetManager, Withdraw, approve_payee,
    close_escrow, create_escrow, rescue, revoke_payee, set_countersigner, set_manager, withdraw,
};
pub use settlement::{
    Claim, CloseChannel, EarlierGeneration, Funds, Release, SetSettler, Settle, SettleStatement,
    StatementClaim, close_channel, pay_out, release, set_settler, settle, settle_statement,
};
pub use token::{create_token_account, transfer_to_vault};

use borsh::BorshSerialize;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;

/// Sets the priority fee per compute unit, so that a transaction also lands when blocks are full.
#[must_use]
pub fn compute_unit_price(micro_lamports: u64) -> Instruction {
    ComputeBudgetInstruction::set_compute_unit_price(micro_lamports)
}

/// The program's instruction with these arguments.
///
/// # Panics
/// Never: borsh fails only for sequences longer than `u32`, and none of those fits in memory.
fn instruction<T: BorshSerialize>(
    program: &Pubkey,
    discriminator: u8,
    arguments: &T,
    accounts: Vec<AccountMeta>,
) -> Instruction {
    let mut data = vec![discriminator];
    arguments
        .serialize(&mut data)
        .expect("arguments fit in memory");
    Instruction {
        program_id: *program,
        accounts,
        data,
    }
}

fn signer(key: &Pubkey) -> AccountMeta {
    AccountMeta::new_readonly(*key, true)
}

fn writable_signer(key: &Pubkey) -> AccountMeta {
    AccountMeta::new(*key, true)
}

fn readonly(key: &Pubkey) -> AccountMeta {
    AccountMeta::new_readonly(*key, false)
}

fn writable(key: &Pubkey) -> AccountMeta {
    AccountMeta::new(*key, false)
}

/// An optional account. If it is not given, the program's own address takes its place, as Anchor expects.
fn optional(
    program: &Pubkey,
    key: Option<Pubkey>,
    meta: fn(&Pubkey) -> AccountMeta,
) -> AccountMeta {
    key.map_or_else(|| readonly(program), |key| meta(&key))
}
