//! Instructions of an escrow's owner.

use borsh::BorshSerialize;
use farthing_protocol::BaseUnits;
use farthing_protocol::instruction::{
    APPROVE_PAYEE, CLOSE_ESCROW, CREATE_ESCROW, RESCUE, REVOKE_PAYEE, SET_COUNTERSIGNER,
    SET_MANAGER, WITHDRAW,
};
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::program as system_program;

use super::{instruction, optional, readonly, signer, writable, writable_signer};
use crate::addresses::{approval_address, escrow_address};
use crate::token::{ASSOCIATED_TOKEN_PROGRAM, Token, associated_token_address};

/// What `create_escrow` needs.
#[derive(Debug, Clone, Copy)]
pub struct CreateEscrow {
    /// The cold key; signs.
    pub owner: Pubkey,
    /// Pays the rent of escrow and vault, and gets the escrow's back; signs.
    pub rent_payer: Pubkey,
    /// The mint. One of Token-2022 with an extension that could move or withhold tokens is refused.
    pub token: Token,
    /// Distinguishes escrows of one owner in one mint.
    pub escrow_id: u64,
}

/// Creates an escrow and its vault.
#[must_use]
pub fn create_escrow(program: &Pubkey, input: &CreateEscrow) -> Instruction {
    let CreateEscrow {
        owner,
        rent_payer,
        token,
        escrow_id,
    } = input;
    let (escrow, _) = escrow_address(program, owner, &token.mint, *escrow_id);
    instruction(
        program,
        CREATE_ESCROW,
        escrow_id,
        vec![
            signer(owner),
            writable_signer(rent_payer),
            readonly(&token.mint),
            writable(&escrow),
            writable(&associated_token_address(&escrow, token)),
            readonly(&token.program),
            readonly(&ASSOCIATED_TOKEN_PROGRAM),
            readonly(&system_program::ID),
        ],
    )
}

/// What `set_manager` needs.
#[derive(Debug, Clone, Copy)]
pub struct SetManager {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The new manager, or none.
    pub manager: Option<Pubkey>,
    /// What it may lock from now on.
    pub allowance: BaseUnits,
    /// What the previous allowance must be, so that a manager who spends it at this moment does not get
    /// more than the owner meant.
    pub expected_allowance: BaseUnits,
}

#[derive(BorshSerialize)]
struct SetManagerArguments {
    manager: Option<[u8; 32]>,
    allowance: u64,
    expected_allowance: u64,
}

/// Names the manager and its allowance.
#[must_use]
pub fn set_manager(program: &Pubkey, input: &SetManager) -> Instruction {
    instruction(
        program,
        SET_MANAGER,
        &SetManagerArguments {
            manager: input.manager.map(|manager| manager.to_bytes()),
            allowance: input.allowance.0,
            expected_allowance: input.expected_allowance.0,
        },
        vec![signer(&input.owner), writable(&input.escrow)],
    )
}

/// What `set_countersigner` needs.
#[derive(Debug, Clone)]
pub struct SetCountersigner {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The new countersigner, or none.
    pub countersigner: Option<Pubkey>,
    /// The escrow's channels that are known: the program refuses a countersigner who earns on one of them.
    /// `settle_statement` catches those that are left out.
    pub known_channels: Vec<Pubkey>,
}

/// Names the key that may sign statements.
#[must_use]
pub fn set_countersigner(program: &Pubkey, input: &SetCountersigner) -> Instruction {
    let mut accounts = vec![signer(&input.owner), writable(&input.escrow)];
    accounts.extend(input.known_channels.iter().map(readonly));
    instruction(
        program,
        SET_COUNTERSIGNER,
        &input.countersigner.map(|key| key.to_bytes()),
        accounts,
    )
}

/// Lets the manager open and fund channels to `payee` with at most this grace.
#[must_use]
pub fn approve_payee(
    program: &Pubkey,
    owner: &Pubkey,
    rent_payer: &Pubkey,
    escrow: &Pubkey,
    payee: &Pubkey,
    max_grace_seconds: u32,
) -> Instruction {
    let (approval, _) = approval_address(program, escrow, payee);
    instruction(
        program,
        APPROVE_PAYEE,
        &(payee.to_bytes(), max_grace_seconds),
        vec![
            signer(owner),
            writable_signer(rent_payer),
            writable(escrow),
            writable(&approval),
            readonly(&system_program::ID),
        ],
    )
}

/// Takes an approval back; its rent returns to `rent_payer`, who must be the recorded one.
#[must_use]
pub fn revoke_payee(
    program: &Pubkey,
    owner: &Pubkey,
    escrow: &Pubkey,
    payee: &Pubkey,
    rent_payer: &Pubkey,
) -> Instruction {
    let (approval, _) = approval_address(program, escrow, payee);
    instruction(
        program,
        REVOKE_PAYEE,
        &(),
        vec![
            signer(owner),
            writable(escrow),
            writable(&approval),
            writable(rent_payer),
        ],
    )
}

/// What `withdraw` needs.
#[derive(Debug, Clone, Copy)]
pub struct Withdraw {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// Its mint.
    pub token: Token,
    /// Any token account of the mint but the vault.
    pub destination: Pubkey,
    /// At most what is free.
    pub amount: BaseUnits,
}

/// Pays free funds out.
#[must_use]
pub fn withdraw(program: &Pubkey, input: &Withdraw) -> Instruction {
    instruction(
        program,
        WITHDRAW,
        &input.amount.0,
        vec![
            signer(&input.owner),
            writable(&input.escrow),
            readonly(&input.token.mint),
            writable(&associated_token_address(&input.escrow, &input.token)),
            writable(&input.destination),
            readonly(&input.token.program),
        ],
    )
}

/// What `rescue` needs.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The mint of what was sent by mistake, which need not be the escrow's.
    pub token: Token,
    /// Any token account of the escrow's address but the vault; it is emptied.
    pub source: Pubkey,
    /// Any other token account of the mint.
    pub destination: Pubkey,
    /// What the mint's transfer hook needs, as its own program says; usually nothing.
    pub hook_accounts: Vec<AccountMeta>,
}

/// Moves tokens that were sent to the escrow's address and are not in its vault.
#[must_use]
pub fn rescue(program: &Pubkey, input: &Rescue) -> Instruction {
    let mut accounts = vec![
        signer(&input.owner),
        writable(&input.escrow),
        readonly(&input.token.mint),
        writable(&input.source),
        writable(&input.destination),
        readonly(&input.token.program),
    ];
    accounts.extend_from_slice(&input.hook_accounts);
    instruction(program, RESCUE, &(), accounts)
}

/// What `close_escrow` needs.
#[derive(Debug, Clone, Copy)]
pub struct CloseEscrow {
    /// The owner, or the rent payer when the vault is empty; signs.
    pub authority: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// Who gets the rent back; must be the recorded one.
    pub rent_payer: Pubkey,
    /// The escrow's mint.
    pub token: Token,
    /// A token account of the owner, required when the vault is not empty.
    pub destination: Option<Pubkey>,
}

/// Closes an escrow without channels; what is in the vault goes to `destination`.
#[must_use]
pub fn close_escrow(program: &Pubkey, input: &CloseEscrow) -> Instruction {
    instruction(
        program,
        CLOSE_ESCROW,
        &(),
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            writable(&input.rent_payer),
            readonly(&input.token.mint),
            writable(&associated_token_address(&input.escrow, &input.token)),
            optional(program, input.destination, writable),
            readonly(&input.token.program),
        ],
    )
}
