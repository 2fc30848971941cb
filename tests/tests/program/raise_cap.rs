//! Tests of the instruction `raise_cap`.

use farthing::error::FarthingError;
use farthing_tests::program::World;
use farthing_tests::program::world::PREPAID;

use super::codes::{NOT_SIGNER, code};

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let mut raise = world.raise_cap(&channel, 0, 2 * PREPAID);
    raise.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(raise), NOT_SIGNER);
}

#[test]
fn only_owner_and_manager_raise() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    for key in [world.manager, world.payee, world.settler, agents[0]] {
        let mut raise = world.raise_cap(&channel, 0, 2 * PREPAID);
        raise.accounts[0].pubkey = key;
        assert_eq!(
            world.chain.refused(raise),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn a_cap_only_rises() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    for cap in [0, 1, PREPAID] {
        let raise = world.raise_cap(&channel, 0, cap);
        assert_eq!(
            world.chain.refused(raise),
            code(FarthingError::CapNotRaised)
        );
    }
}

#[test]
fn the_lane_must_exist() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let raise = world.raise_cap(&channel, 1, u64::MAX);
    assert_eq!(world.chain.refused(raise), code(FarthingError::UnknownLane));
}

#[test]
fn a_revoked_lane_is_not_raised() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(&[revoke]);
    let raise = world.raise_cap(&channel, 0, u64::MAX);
    assert_eq!(world.chain.refused(raise), code(FarthingError::LaneRevoked));
}

#[test]
fn a_closing_channel_is_not_raised() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    let raise = world.raise_cap(&channel, 0, u64::MAX);
    assert_eq!(
        world.chain.refused(raise),
        code(FarthingError::ChannelClosing)
    );
}

#[test]
fn a_raised_cap_lets_more_be_debited_at_once() {
    let (mut world, _, agents) = World::with_channel(1, 2);
    let mut args = world.open_args(1, 1_000, &agents);
    args.lanes[0].cap = 100;
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);
    let claim = world.claim(channel.domain, (0, &agents[0]), 101, 0);
    let settle = world.settle(&channel, vec![claim]);
    assert_eq!(
        world.chain.refused(settle.clone()),
        code(FarthingError::CapExceeded)
    );

    world.appoint(0);
    let mut raise = world.raise_cap(&channel, 0, 101);
    raise.accounts[0].pubkey = world.manager;
    world.chain.succeed(&[raise]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!((lanes[0].cap.0, lanes[1].cap.0), (101, PREPAID));
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 101);
}
