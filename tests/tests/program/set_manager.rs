//! Tests of the instruction `set_manager`.

use farthing::error::FarthingError;
use farthing_tests::program::World;
use farthing_tests::program::world::escrow_address;

use super::codes::{NOT_INITIALIZED, NOT_SIGNER, OWNED_BY_WRONG_PROGRAM, code};

#[test]
fn the_owner_must_sign() {
    let mut world = World::new();
    let mut set = world.set_manager(Some(world.manager), 5, 0);
    set.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(set), NOT_SIGNER);
}

#[test]
fn only_the_owner_names_the_manager() {
    let mut world = World::new();
    world.appoint(5);
    for key in [world.manager, world.stranger, world.rent_payer] {
        let mut set = world.set_manager(Some(key), 10, 5);
        set.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(set), code(FarthingError::OwnerOnly));
    }
}

#[test]
fn the_escrow_must_be_one() {
    let mut world = World::new();
    let mut set = world.set_manager(None, 0, 0);
    set.accounts[1].pubkey = world.vault();
    assert_eq!(world.chain.refused(set), OWNED_BY_WRONG_PROGRAM);
    let mut set = world.set_manager(None, 0, 0);
    set.accounts[1].pubkey = escrow_address(&world.owner, &world.mint.address, 1);
    assert_eq!(world.chain.refused(set), NOT_INITIALIZED);
}

#[test]
fn an_allowance_that_changed_meanwhile_is_not_granted_again() {
    let mut world = World::new();
    world.appoint(5);
    for expected in [0, 4, 6] {
        let set = world.set_manager(Some(world.manager), 10, expected);
        assert_eq!(
            world.chain.refused(set),
            code(FarthingError::AllowanceChanged)
        );
    }
}

#[test]
fn a_manager_is_named_and_taken_back() {
    let mut world = World::new();
    world.appoint(5);
    let escrow = world.escrow_state();
    assert_eq!(escrow.manager, Some(world.manager));
    assert_eq!(escrow.manager_allowance, 5);

    let set = world.set_manager(None, 0, 5);
    world.chain.succeed(&[set]);
    let escrow = world.escrow_state();
    assert_eq!((escrow.manager, escrow.manager_allowance), (None, 0));
}
