//! Instructions of the token programs: prepaying an escrow, and creating the token accounts that receive payments.

use farthing_protocol::BaseUnits;
use farthing_wire::amount::USDC_DECIMALS;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::program as system_program;

use super::{readonly, signer, writable, writable_signer};
use crate::token::{ASSOCIATED_TOKEN_PROGRAM, Token, associated_token_address};

/// `CreateIdempotent` of the associated token program.
const CREATE_IDEMPOTENT: u8 = 1;
/// `TransferChecked` of either token program.
const TRANSFER_CHECKED: u8 = 12;

/// Creates the associated token account of `wallet` unless it exists; `rent_payer` signs.
#[must_use]
pub fn create_token_account(rent_payer: &Pubkey, wallet: &Pubkey, token: &Token) -> Instruction {
    Instruction {
        program_id: ASSOCIATED_TOKEN_PROGRAM,
        accounts: vec![
            writable_signer(rent_payer),
            writable(&associated_token_address(wallet, token)),
            readonly(wallet),
            readonly(&token.mint),
            readonly(&system_program::ID),
            readonly(&token.program),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}

/// Prepays an escrow: sends USDC from a token account of `owner`, who signs, to the escrow's vault.
#[must_use]
pub fn transfer_to_vault(
    owner: &Pubkey,
    source: &Pubkey,
    token: &Token,
    vault: &Pubkey,
    amount: BaseUnits,
) -> Instruction {
    let mut data = vec![TRANSFER_CHECKED];
    data.extend_from_slice(&amount.0.to_le_bytes());
    data.push(USDC_DECIMALS);
    Instruction {
        program_id: token.program,
        accounts: vec![
            writable(source),
            readonly(&token.mint),
            writable(vault),
            signer(owner),
        ],
        data,
    }
}
