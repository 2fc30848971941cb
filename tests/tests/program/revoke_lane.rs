//! Tests of the instruction `revoke_lane`.

use farthing::error::FarthingError;
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::NEVER;
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_tests::program::World;

use super::codes::{NOT_SIGNER, code};

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let mut revoke = world.revoke_lane(&channel, 0);
    revoke.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(revoke), NOT_SIGNER);
}

#[test]
fn only_owner_and_manager_revoke() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    for key in [world.manager, world.payee, world.settler, agents[0]] {
        let mut revoke = world.revoke_lane(&channel, 0);
        revoke.accounts[0].pubkey = key;
        assert_eq!(
            world.chain.refused(revoke),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn the_lane_must_exist() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let revoke = world.revoke_lane(&channel, 1);
    assert_eq!(
        world.chain.refused(revoke),
        code(FarthingError::UnknownLane)
    );
}

#[test]
fn a_second_call_does_not_move_the_deadline() {
    let (mut world, channel, _) = World::with_channel(1_000, 2);
    let revoked = world.chain.time();
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(std::slice::from_ref(&revoke));
    let sequence = world.escrow_state().event_sequence;
    world.chain.pass(100, 100);
    world.chain.succeed(&[revoke]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!(lanes[0].revoked, revoked);
    assert_eq!(lanes[1].revoked.unix_timestamp, NEVER);
    // Nothing changed, so there is no event.
    assert_eq!(world.escrow_state().event_sequence, sequence);
}

#[test]
fn the_slot_of_a_revocation_is_kept_whole() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let late = ChainTime {
        unix_timestamp: 2_000_000_000,
        slot: 0x0000_1234_5678_9abc,
    };
    world.chain.set_time(late);
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(&[revoke]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!(lanes[0].revoked, late);
}

#[test]
fn a_closing_channel_can_still_lose_a_lane() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let request = world.request_close(&channel);
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(&[request, revoke]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert!(lanes[0].is_revoked());
}

#[test]
fn a_revoked_lane_is_debited_until_the_grace_is_over() {
    let grace = u64::from(MIN_GRACE_SECONDS);
    let seconds = i64::from(MIN_GRACE_SECONDS);
    for (seconds, slots, debited) in [
        (0, 0, 100),
        (seconds - 1, grace, 100),
        (seconds, grace - 1, 100),
        (seconds, grace, 0),
        (10 * seconds, 10 * grace, 0),
    ] {
        let (mut world, channel, agents) = World::with_channel(1_000, 2);
        world.appoint(0);
        let mut revoke = world.revoke_lane(&channel, 0);
        revoke.accounts[0].pubkey = world.manager;
        world.chain.succeed(&[revoke]);
        world.chain.pass(seconds, slots);
        let claims = world.claims(&channel, &agents, 100);
        let settle = world.settle(&channel, claims);
        world.chain.succeed(&[settle]);
        let (_, lanes) = world.channel_state(&channel.address);
        // The other lane of the batch is never stranded.
        assert_eq!((lanes[0].debited.0, lanes[1].debited.0), (debited, 100));
    }
}
