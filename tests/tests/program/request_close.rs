//! Tests of the instruction `request_close`.

use farthing::error::FarthingError;
use farthing::instruction as data;
use farthing_tests::program::world::escrow_address;
use farthing_tests::program::{World, instruction};

use super::codes::{DISCRIMINATOR_MISMATCH, NOT_SIGNER, code};

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let mut request = world.request_close(&channel);
    request.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(request), NOT_SIGNER);
}

#[test]
fn only_owner_and_manager_request() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    for key in [world.manager, world.payee, world.settler, agents[0]] {
        let mut accounts = world.request_close_accounts(&channel);
        accounts.authority = key;
        let request = instruction(accounts, data::RequestClose {});
        assert_eq!(
            world.chain.refused(request),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let mut accounts = world.request_close_accounts(&channel);
    accounts.escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let request = instruction(accounts, data::RequestClose {});
    assert_eq!(
        world.chain.refused(request),
        code(FarthingError::WrongEscrow)
    );

    let mut accounts = world.request_close_accounts(&channel);
    accounts.channel = world.escrow;
    let request = instruction(accounts, data::RequestClose {});
    assert_eq!(world.chain.refused(request), DISCRIMINATOR_MISMATCH);
}

#[test]
fn a_second_request_does_not_move_the_deadline() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let request = world.request_close(&channel);
    world.chain.succeed(std::slice::from_ref(&request));
    world.chain.pass(10, 10);
    assert_eq!(
        world.chain.refused(request),
        code(FarthingError::CloseAlreadyRequested)
    );
}

#[test]
fn the_manager_requests_too() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    world.appoint(0);
    let mut accounts = world.request_close_accounts(&channel);
    accounts.authority = world.manager;
    let request = instruction(accounts, data::RequestClose {});
    world.chain.succeed(&[request]);
    let (header, _) = world.channel_state(&channel.address);
    assert!(header.is_closing());
    assert_eq!(header.close_requested, world.chain.time());
}
