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

/// Inputs of [`create_escrow`].
#[derive(Debug, Clone, Copy)]
pub struct CreateEscrow {
    /// The owner's wallet, usually a cold key; signs.
    pub owner: Pubkey,
    /// Pays the rent of escrow and vault, and gets the escrow's rent back; signs.
    pub rent_payer: Pubkey,
    /// The mint. A Token-2022 mint with an extension that could move or withhold tokens is refused.
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

/// Inputs of [`set_manager`].
#[derive(Debug, Clone, Copy)]
pub struct SetManager {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The new manager, or none.
    pub manager: Option<Pubkey>,
    /// What the manager may lock from now on.
    pub allowance: BaseUnits,
    /// What the current allowance must be, else the instruction fails. This prevents a manager who spends it at the
    /// same moment from getting more than the owner meant.
    pub expected_allowance: BaseUnits,
}

#[derive(BorshSerialize)]
struct SetManagerArguments {
    manager: Option<[u8; 32]>,
    allowance: u64,
    expected_allowance: u64,
}

/// Sets the manager and its allowance.
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

/// Inputs of [`set_countersigner`].
#[derive(Debug, Clone)]
pub struct SetCountersigner {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The new countersigner, or none.
    pub countersigner: Option<Pubkey>,
    /// The known channels of the escrow: the program refuses a countersigner who earns on one of them. Channels that
    /// are left out here are checked by `settle_statement`.
    pub known_channels: Vec<Pubkey>,
}

/// Sets the key that may sign statements, or removes it.
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

/// Revokes an approval; its rent returns to `rent_payer`, who must be the recorded one.
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

/// Inputs of [`withdraw`].
#[derive(Debug, Clone, Copy)]
pub struct Withdraw {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The escrow's mint.
    pub token: Token,
    /// Any token account of the mint but the vault.
    pub destination: Pubkey,
    /// The amount to withdraw, at most the escrow's free funds.
    pub amount: BaseUnits,
}

/// Pays out free funds to `destination`.
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

/// Inputs of [`rescue`].
#[derive(Debug, Clone)]
pub struct Rescue {
    /// The escrow's owner; signs.
    pub owner: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The mint of the tokens that were sent by mistake, which need not be the escrow's mint.
    pub token: Token,
    /// Any token account of the escrow's address except the vault; everything in it is moved.
    pub source: Pubkey,
    /// Any other token account of the mint.
    pub destination: Pubkey,
    /// Further accounts that the mint's transfer hook needs, as the hook's program defines them; usually none.
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

/// Inputs of [`close_escrow`].
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

/// Closes an escrow without channels; the vault's balance goes to `destination`.
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
