//! Tests of the instruction `approve_payee`.

use anchor_lang::AccountDeserialize;
use farthing::error::FarthingError;
use farthing::state::Approval;
use farthing::{ApprovePayeeArgs, instruction as data};
use farthing_protocol::layout::APPROVAL_DISCRIMINATOR;
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use farthing_tests::program::{World, instruction};

use super::codes::{
    ALREADY_IN_USE, CONSTRAINT_SEEDS, INVALID_PROGRAM_ID, NOT_SIGNER, OWNED_BY_WRONG_PROGRAM, code,
};

#[test]
fn owner_and_rent_payer_must_sign() {
    let mut world = World::new();
    for index in 0..2 {
        let mut approve = world.approve_payee(MIN_GRACE_SECONDS);
        approve.accounts[index].is_signer = false;
        assert_eq!(world.chain.refused(approve), NOT_SIGNER);
    }
}

#[test]
fn only_the_owner_approves() {
    let mut world = World::new();
    world.appoint(5);
    for key in [world.manager, world.payee] {
        let mut approve = world.approve_payee(MIN_GRACE_SECONDS);
        approve.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(approve), code(FarthingError::OwnerOnly));
    }
}

#[test]
fn the_escrow_must_be_one() {
    let mut world = World::new();
    let mut approve = world.approve_payee(MIN_GRACE_SECONDS);
    approve.accounts[2].pubkey = world.vault();
    assert_eq!(world.chain.refused(approve), OWNED_BY_WRONG_PROGRAM);
}

#[test]
fn the_address_must_be_the_payees() {
    let mut world = World::new();
    let args = ApprovePayeeArgs {
        payee: world.stranger,
        max_grace_seconds: MIN_GRACE_SECONDS,
    };
    let approve = instruction(world.approve_payee_accounts(), data::ApprovePayee { args });
    assert_eq!(world.chain.refused(approve), CONSTRAINT_SEEDS);
}

#[test]
fn the_system_program_must_be_it() {
    let mut world = World::new();
    let mut approve = world.approve_payee(MIN_GRACE_SECONDS);
    approve.accounts[4].pubkey = farthing::ID;
    assert_eq!(world.chain.refused(approve), INVALID_PROGRAM_ID);
}

#[test]
fn the_grace_must_be_one_that_a_channel_can_have() {
    let mut world = World::new();
    for grace in [0, MIN_GRACE_SECONDS - 1, MAX_GRACE_SECONDS + 1] {
        let approve = world.approve_payee(grace);
        assert_eq!(
            world.chain.refused(approve),
            code(FarthingError::ApprovedGraceOutOfRange)
        );
    }
}

#[test]
fn a_payee_is_approved_once() {
    let mut world = World::new();
    let least = world.chain.rent(0);
    world.chain.airdrop(&world.approval(), least);
    let approve = world.approve_payee(MAX_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let account = world.chain.account(&world.approval()).expect("it exists");
    assert_eq!(account.data[..8], APPROVAL_DISCRIMINATOR);
    let approval = Approval::try_deserialize(&mut &account.data[..]).expect("an approval");
    assert_eq!(approval.escrow, world.escrow);
    assert_eq!(approval.payee, world.payee);
    assert_eq!(approval.max_grace_seconds, MAX_GRACE_SECONDS);
    assert_eq!(approval.rent_payer, world.rent_payer);

    let again = world.approve_payee(MIN_GRACE_SECONDS);
    assert_eq!(world.chain.refused(again), ALREADY_IN_USE);
}
