//! Compares the client's instructions and accounts with those that Anchor generates for the program. The client encodes
//! both by hand, so that it depends neither on Anchor nor on the program. One binary, with a module per role.

mod accounts;
mod channel;
mod escrow;
mod refusal;
mod settlement;
mod token;

use anchor_lang::{InstructionData, ToAccountMetas};
use farthing::state;
use farthing_chain::{NewLane, PROGRAM_ID, Token};
use farthing_protocol::BaseUnits;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use spl_associated_token_account_interface::address::get_associated_token_address_with_program_id;

const PROGRAM: &Pubkey = &PROGRAM_ID;
const OWNER: Pubkey = key(1);
const RENT_PAYER: Pubkey = key(2);
const MINT: Pubkey = key(3);
const ESCROW: Pubkey = key(4);
const PAYEE: Pubkey = key(5);
const SETTLER: Pubkey = key(6);
const CHANNEL: Pubkey = key(7);
const DESTINATION: Pubkey = key(8);
const APPROVAL: Pubkey = key(9);
const MANAGER: Pubkey = key(10);
const COUNTERSIGNER: Pubkey = key(11);

/// The mint, once of either token program, whose addresses are those of their own crates.
const TOKENS: [Token; 2] = [
    Token {
        mint: MINT,
        program: spl_token::ID,
    },
    Token {
        mint: MINT,
        program: spl_token_2022_interface::ID,
    },
];

const fn key(byte: u8) -> Pubkey {
    Pubkey::new_from_array([byte; 32])
}

/// The associated token account, as its program's own crate derives it.
fn account_of(wallet: &Pubkey, token: &Token) -> Pubkey {
    get_associated_token_address_with_program_id(wallet, &token.mint, &token.program)
}

#[track_caller]
fn assert_same(
    ours: &Instruction,
    arguments: &impl InstructionData,
    accounts: &impl ToAccountMetas,
) {
    assert_eq!(ours.program_id, farthing::ID);
    assert_eq!(ours.data, arguments.data());
    assert_eq!(ours.accounts, accounts.to_account_metas(None));
}

fn new_lanes() -> [Vec<NewLane>; 2] {
    let one = vec![NewLane {
        signer: key(20),
        cap: BaseUnits(u64::MAX),
    }];
    let mut two = one.clone();
    two.push(NewLane {
        signer: key(21),
        cap: BaseUnits(0x0102_0304),
    });
    [one, two]
}

fn program_lanes(lanes: &[NewLane]) -> Vec<state::NewLane> {
    lanes
        .iter()
        .map(|lane| state::NewLane {
            signer: lane.signer,
            cap: lane.cap.0,
        })
        .collect()
}

#[test]
fn program_id_is_the_declared_one() {
    assert_eq!(PROGRAM_ID, farthing::ID);
}
