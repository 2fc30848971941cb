//! Compares the client's token accounts and transfers with those of the token programs' crates.

use farthing_chain::instructions::{create_token_account, transfer_to_vault};
use farthing_chain::token::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM, is_token_program};
use farthing_chain::{Token, associated_token_address};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::USDC_DECIMALS;
use spl_associated_token_account_interface::instruction::create_associated_token_account_idempotent;
use spl_token_2022_interface::instruction::transfer_checked;

use crate::{DESTINATION, ESCROW, MINT, OWNER, PROGRAM, RENT_PAYER, TOKENS, account_of};

#[test]
fn the_token_programs_are_two() {
    let [classic, token_2022] = TOKENS;
    assert_eq!(Token::classic(MINT), classic);
    assert_eq!(
        [classic.program, token_2022.program],
        [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]
    );
    assert!(is_token_program(&classic.program) && is_token_program(&token_2022.program));
    assert!(!is_token_program(PROGRAM));
}

#[test]
fn associated_accounts_are_their_programs() {
    for token in TOKENS {
        assert_eq!(
            associated_token_address(&OWNER, &token),
            account_of(&OWNER, &token)
        );
        let theirs = create_associated_token_account_idempotent(
            &RENT_PAYER,
            &OWNER,
            &token.mint,
            &token.program,
        );
        assert_eq!(create_token_account(&RENT_PAYER, &OWNER, &token), theirs);
    }
}

#[test]
fn transfers_are_the_token_programs() {
    for token in TOKENS {
        let vault = account_of(&ESCROW, &token);
        let theirs = transfer_checked(
            &token.program,
            &DESTINATION,
            &token.mint,
            &vault,
            &OWNER,
            &[],
            7,
            USDC_DECIMALS,
        );
        let ours = transfer_to_vault(&OWNER, &DESTINATION, &token, &vault, BaseUnits(7));
        assert_eq!(Ok(ours), theirs);
    }
}
