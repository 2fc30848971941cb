//! Tests of the instructions of an escrow's owner.

use farthing::accounts;
use farthing::instruction as data;
use farthing_chain::instructions::{
    CloseEscrow, CreateEscrow, Rescue, SetCountersigner, SetManager, Withdraw, approve_payee,
    close_escrow, create_escrow, rescue, revoke_payee, set_countersigner, set_manager, withdraw,
};
use farthing_chain::{approval_address, escrow_address};
use farthing_protocol::BaseUnits;
use solana_sdk::instruction::AccountMeta;
use spl_associated_token_account_interface::program::ID as ASSOCIATED_TOKEN_PROGRAM;

use crate::{
    CHANNEL, COUNTERSIGNER, DESTINATION, ESCROW, MANAGER, MINT, OWNER, PAYEE, PROGRAM, RENT_PAYER,
    TOKENS, account_of, assert_same, key,
};

#[test]
fn create_escrow_is_the_programs() {
    for token in TOKENS {
        let input = CreateEscrow {
            owner: OWNER,
            rent_payer: RENT_PAYER,
            token,
            escrow_id: 0x0102_0304_0506_0708,
        };
        let (escrow, _) = escrow_address(PROGRAM, &OWNER, &MINT, input.escrow_id);
        assert_same(
            &create_escrow(PROGRAM, &input),
            &data::CreateEscrow {
                args: farthing::CreateEscrowArgs {
                    escrow_id: input.escrow_id,
                },
            },
            &accounts::CreateEscrow {
                owner: OWNER,
                rent_payer: RENT_PAYER,
                mint: MINT,
                escrow,
                vault: account_of(&escrow, &token),
                token_program: token.program,
                associated_token_program: ASSOCIATED_TOKEN_PROGRAM,
                system_program: anchor_lang::system_program::ID,
            },
        );
    }
}

#[test]
fn set_manager_is_the_programs() {
    for manager in [None, Some(MANAGER)] {
        let input = SetManager {
            owner: OWNER,
            escrow: ESCROW,
            manager,
            allowance: BaseUnits(5),
            expected_allowance: BaseUnits(6),
        };
        assert_same(
            &set_manager(PROGRAM, &input),
            &data::SetManager {
                args: farthing::SetManagerArgs {
                    manager,
                    allowance: 5,
                    expected_allowance: 6,
                },
            },
            &accounts::SetManager {
                owner: OWNER,
                escrow: ESCROW,
            },
        );
    }
}

#[test]
fn set_countersigner_is_the_programs() {
    for (countersigner, known_channels) in [
        (None, Vec::new()),
        (Some(COUNTERSIGNER), vec![CHANNEL, key(12)]),
    ] {
        let input = SetCountersigner {
            owner: OWNER,
            escrow: ESCROW,
            countersigner,
            known_channels: known_channels.clone(),
        };
        let mut ours = set_countersigner(PROGRAM, &input);
        let channels = ours.accounts.split_off(2);
        assert_same(
            &ours,
            &data::SetCountersigner {
                args: farthing::SetCountersignerArgs { countersigner },
            },
            &accounts::SetCountersigner {
                owner: OWNER,
                escrow: ESCROW,
            },
        );
        let readonly = known_channels
            .iter()
            .map(|channel| AccountMeta::new_readonly(*channel, false));
        assert_eq!(channels, readonly.collect::<Vec<_>>());
    }
}

#[test]
fn approve_payee_is_the_programs() {
    assert_same(
        &approve_payee(PROGRAM, &OWNER, &RENT_PAYER, &ESCROW, &PAYEE, 1_000),
        &data::ApprovePayee {
            args: farthing::ApprovePayeeArgs {
                payee: PAYEE,
                max_grace_seconds: 1_000,
            },
        },
        &accounts::ApprovePayee {
            owner: OWNER,
            rent_payer: RENT_PAYER,
            escrow: ESCROW,
            approval: approval_address(PROGRAM, &ESCROW, &PAYEE).0,
            system_program: anchor_lang::system_program::ID,
        },
    );
}

#[test]
fn revoke_payee_is_the_programs() {
    assert_same(
        &revoke_payee(PROGRAM, &OWNER, &ESCROW, &PAYEE, &RENT_PAYER),
        &data::RevokePayee {},
        &accounts::RevokePayee {
            owner: OWNER,
            escrow: ESCROW,
            approval: approval_address(PROGRAM, &ESCROW, &PAYEE).0,
            rent_payer: RENT_PAYER,
        },
    );
}

#[test]
fn withdraw_is_the_programs() {
    for token in TOKENS {
        let input = Withdraw {
            owner: OWNER,
            escrow: ESCROW,
            token,
            destination: DESTINATION,
            amount: BaseUnits(7),
        };
        assert_same(
            &withdraw(PROGRAM, &input),
            &data::Withdraw {
                args: farthing::WithdrawArgs { amount: 7 },
            },
            &accounts::Withdraw {
                owner: OWNER,
                escrow: ESCROW,
                mint: MINT,
                vault: account_of(&ESCROW, &token),
                destination: DESTINATION,
                token_program: token.program,
            },
        );
    }
}

#[test]
fn rescue_is_the_programs() {
    let hook = [
        AccountMeta::new_readonly(key(13), false),
        AccountMeta::new(key(14), false),
    ];
    for (token, hook_accounts) in TOKENS.into_iter().zip([&[][..], &hook]) {
        let input = Rescue {
            owner: OWNER,
            escrow: ESCROW,
            token,
            source: key(12),
            destination: DESTINATION,
            hook_accounts: hook_accounts.to_vec(),
        };
        let mut ours = rescue(PROGRAM, &input);
        assert_eq!(ours.accounts.split_off(6), hook_accounts);
        assert_same(
            &ours,
            &data::Rescue {},
            &accounts::Rescue {
                owner: OWNER,
                escrow: ESCROW,
                mint: MINT,
                source: key(12),
                destination: DESTINATION,
                token_program: token.program,
            },
        );
    }
}

#[test]
fn close_escrow_is_the_programs() {
    for (token, destination) in TOKENS.into_iter().zip([None, Some(DESTINATION)]) {
        let input = CloseEscrow {
            authority: OWNER,
            escrow: ESCROW,
            rent_payer: RENT_PAYER,
            token,
            destination,
        };
        assert_same(
            &close_escrow(PROGRAM, &input),
            &data::CloseEscrow {},
            &accounts::CloseEscrow {
                authority: OWNER,
                escrow: ESCROW,
                rent_payer: RENT_PAYER,
                mint: MINT,
                vault: account_of(&ESCROW, &token),
                destination,
                token_program: token.program,
            },
        );
    }
}
