//! Tests of the instruction `set_countersigner`.

use farthing::error::FarthingError;
use farthing_tests::program::World;
use farthing_tests::program::world::escrow_address;
use solana_sdk::instruction::AccountMeta;

use super::codes::{DISCRIMINATOR_MISMATCH, NOT_SIGNER, OWNED_BY_WRONG_PROGRAM, code};
use super::open_channel::unusable_keys;

#[test]
fn the_owner_must_sign() {
    let mut world = World::new();
    let mut set = world.set_countersigner(None, &[]);
    set.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(set), NOT_SIGNER);
}

#[test]
fn only_the_owner_names_a_countersigner() {
    let mut world = World::new();
    world.appoint(1_000);
    for key in [world.manager, world.payee, world.stranger] {
        let mut set = world.set_countersigner(Some(key), &[]);
        set.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(set), code(FarthingError::OwnerOnly));
    }
}

#[test]
fn the_key_must_be_usable() {
    let mut world = World::new();
    for (key, error) in unusable_keys() {
        let set = world.set_countersigner(Some(key), &[]);
        assert_eq!(world.chain.refused(set), code(error), "{key}");
    }
    assert_eq!(world.escrow_state().countersigner, None);
}

#[test]
fn who_earns_does_not_countersign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    for key in [world.payee, world.settler] {
        let set = world.set_countersigner(Some(key), &[channel]);
        assert_eq!(
            world.chain.refused(set),
            code(FarthingError::CountersignerEarns)
        );
    }
}

#[test]
fn a_channel_is_not_opened_to_the_countersigner() {
    let mut world = World::new();
    let agent = world.chain.new_key();
    let (payee, settler) = (world.payee, world.settler);
    for key in [payee, settler] {
        let set = world.set_countersigner(Some(key), &[]);
        world.chain.succeed(&[set]);
        let args = world.open_args(0, 1_000, &[agent]);
        let open = world.open_channel(args);
        assert_eq!(
            world.chain.refused(open),
            code(FarthingError::CountersignerEarns)
        );
    }
    let unset = world.set_countersigner(None, &[]);
    world.chain.succeed(&[unset]);
    world.open(0, 1_000, &[agent]);
}

#[test]
fn further_accounts_are_channels_of_the_escrow() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let mut of_another = world.set_countersigner(Some(agents[0]), &[channel]);
    of_another.accounts[1].pubkey = escrow_address(&world.owner, &world.mint.address, 1);
    assert_eq!(
        world.chain.refused(of_another),
        code(FarthingError::WrongEscrow)
    );
    for (address, error) in [
        (world.escrow, DISCRIMINATOR_MISMATCH),
        (world.vault(), OWNED_BY_WRONG_PROGRAM),
        (world.stranger, OWNED_BY_WRONG_PROGRAM),
    ] {
        let mut set = world.set_countersigner(Some(agents[0]), &[]);
        set.accounts.push(AccountMeta::new_readonly(address, false));
        assert_eq!(world.chain.refused(set), error);
    }
}

#[test]
fn a_countersigner_is_named_and_taken_back() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let key = world.chain.new_key();
    for countersigner in [Some(key), Some(world.owner), None] {
        let set = world.set_countersigner(countersigner, &[channel]);
        world.chain.succeed(&[set]);
        assert_eq!(world.escrow_state().countersigner, countersigner);
    }
}
