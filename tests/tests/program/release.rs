//! Tests of the instruction `release`.

use farthing::error::FarthingError;
use farthing_tests::program::World;

use super::codes::{NOT_SIGNER, code};

#[test]
fn the_payee_must_sign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let mut release = world.release(&channel, 1);
    release.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(release), NOT_SIGNER);
}

#[test]
fn only_the_payee_releases() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    for key in [world.owner, world.settler, world.stranger] {
        let mut release = world.release(&channel, 1);
        release.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(release), code(FarthingError::PayeeOnly));
    }
}

#[test]
fn nothing_is_no_amount() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let release = world.release(&channel, 0);
    assert_eq!(
        world.chain.refused(release),
        code(FarthingError::ZeroAmount)
    );
}

#[test]
fn what_was_debited_is_not_released() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    let claims = world.claims(&channel, &agents, 400);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    for amount in [601, u64::MAX] {
        let release = world.release(&channel, amount);
        assert_eq!(
            world.chain.refused(release),
            code(FarthingError::UnspentExceeded)
        );
    }
}

#[test]
fn what_waits_to_be_paid_is_not_released() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    world.settle_unpaid(&channel, &agents, 1_000);
    let release = world.release(&channel, 1);
    assert_eq!(
        world.chain.refused(release),
        code(FarthingError::UnspentExceeded)
    );
}

#[test]
fn a_released_amount_is_free_again() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    world.appoint(7);
    let claims = world.claims(&channel, &agents, 400);
    let settle = world.settle(&channel, claims);
    let release = world.release(&channel, 250);
    world.chain.succeed(&[settle, release]);
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!((header.deposit.0, header.debited.0), (750, 400));
    let escrow = world.escrow_state();
    assert_eq!((escrow.allocated, escrow.open_channels), (350, 1));
    // Like closing it restores no allowance.
    assert_eq!(escrow.manager_allowance, 7);

    let above = world.claims(&channel, &agents, 751);
    let settle = world.settle(&channel, above);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::DepositExceeded)
    );
    let rest = world.claims(&channel, &agents, 750);
    let settle = world.settle(&channel, rest);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 750);
}

#[test]
fn everything_can_be_released_while_the_channel_closes() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let request = world.request_close(&channel);
    let release = world.release(&channel, 1_000);
    world.chain.succeed(&[request, release]);
    assert_eq!(world.escrow_state().allocated, 0);
}
