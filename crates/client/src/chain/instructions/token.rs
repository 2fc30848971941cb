//! What the token programs do for Farthing: prepaying, and the accounts that receive.

use farthing_protocol::BaseUnits;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::program as system_program;

use super::{readonly, signer, writable, writable_signer};
use crate::amount::USDC_DECIMALS;
use crate::chain::addresses::{ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAM, associated_token_address};

/// `CreateIdempotent` of the associated token program.
const CREATE_IDEMPOTENT: u8 = 1;
/// `TransferChecked` of the token program.
const TRANSFER_CHECKED: u8 = 12;

/// Creates the associated token account of `wallet` unless it exists; `rent_payer` signs.
#[must_use]
pub fn create_token_account(rent_payer: &Pubkey, wallet: &Pubkey, mint: &Pubkey) -> Instruction {
    Instruction {
        program_id: ASSOCIATED_TOKEN_PROGRAM,
        accounts: vec![
            writable_signer(rent_payer),
            writable(&associated_token_address(wallet, mint)),
            readonly(wallet),
            readonly(mint),
            readonly(&system_program::ID),
            readonly(&TOKEN_PROGRAM),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}

/// Sends USDC from a token account of `owner`, who signs, to an escrow's vault: this is how one prepays.
#[must_use]
pub fn transfer_to_vault(
    owner: &Pubkey,
    source: &Pubkey,
    mint: &Pubkey,
    vault: &Pubkey,
    amount: BaseUnits,
) -> Instruction {
    let mut data = vec![TRANSFER_CHECKED];
    data.extend_from_slice(&amount.0.to_le_bytes());
    data.push(USDC_DECIMALS);
    Instruction {
        program_id: TOKEN_PROGRAM,
        accounts: vec![
            writable(source),
            readonly(mint),
            writable(vault),
            signer(owner),
        ],
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_those_of_the_token_programs() {
        let [payer, wallet, mint, source, vault] =
            [1, 2, 3, 4, 5].map(|byte| Pubkey::new_from_array([byte; 32]));
        let theirs =
            spl_associated_token_account_interface::instruction::create_associated_token_account_idempotent(
                &payer,
                &wallet,
                &mint,
                &TOKEN_PROGRAM,
            );
        assert_eq!(create_token_account(&payer, &wallet, &mint), theirs);
        let theirs = spl_token::instruction::transfer_checked(
            &spl_token::ID,
            &source,
            &mint,
            &vault,
            &payer,
            &[],
            7,
            USDC_DECIMALS,
        )
        .expect("the token program's id");
        assert_eq!(
            transfer_to_vault(&payer, &source, &mint, &vault, BaseUnits(7)),
            theirs
        );
    }
}
