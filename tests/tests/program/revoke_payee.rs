//! Tests of the instruction `revoke_payee`.

use farthing::error::FarthingError;
use farthing::instruction as data;
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_tests::program::world::escrow_address;
use farthing_tests::program::{World, instruction};

use super::codes::{DISCRIMINATOR_MISMATCH, NOT_SIGNER, code};

fn approved() -> World {
    let mut world = World::new();
    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    world
}

#[test]
fn the_owner_must_sign() {
    let mut world = approved();
    let mut revoke = world.revoke_payee();
    revoke.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(revoke), NOT_SIGNER);
}

#[test]
fn only_the_owner_revokes() {
    let mut world = approved();
    world.appoint(5);
    for key in [world.manager, world.payee, world.rent_payer] {
        let mut revoke = world.revoke_payee();
        revoke.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(revoke), code(FarthingError::OwnerOnly));
    }
}

#[test]
fn an_approval_of_another_escrow_is_refused() {
    let mut world = approved();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let mut accounts = world.revoke_payee_accounts();
    accounts.escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let revoke = instruction(accounts, data::RevokePayee {});
    assert_eq!(
        world.chain.refused(revoke),
        code(FarthingError::WrongEscrow)
    );
}

#[test]
fn an_account_of_another_type_is_refused() {
    let mut world = approved();
    let mut accounts = world.revoke_payee_accounts();
    accounts.approval = world.escrow;
    let revoke = instruction(accounts, data::RevokePayee {});
    assert_eq!(world.chain.refused(revoke), DISCRIMINATOR_MISMATCH);
}

#[test]
fn the_rent_goes_to_nobody_else() {
    let mut world = approved();
    let mut accounts = world.revoke_payee_accounts();
    accounts.rent_payer = world.stranger;
    let revoke = instruction(accounts, data::RevokePayee {});
    assert_eq!(
        world.chain.refused(revoke),
        code(FarthingError::WrongRentPayer)
    );
}

#[test]
fn an_approval_ends_and_its_rent_returns() {
    let mut world = approved();
    let rent = world.chain.lamports(&world.approval());
    let before = world.chain.lamports(&world.rent_payer);
    let revoke = world.revoke_payee();
    world.chain.succeed(&[revoke]);
    assert!(world.chain.account(&world.approval()).is_none());
    assert_eq!(world.chain.lamports(&world.rent_payer), before + rent);

    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
}
