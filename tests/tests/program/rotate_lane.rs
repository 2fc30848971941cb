//! Tests of the instruction `rotate_lane`.

use farthing::Claim;
use farthing::error::FarthingError;
use farthing::state::NewLane;
use farthing_protocol::layout::{CHANNEL_HEADER_LENGTH, LANE_LENGTH, NEVER};
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use farthing_tests::program::world::PREPAID;
use farthing_tests::program::{Channel, World};
use solana_sdk::pubkey::Pubkey;

use super::codes::{NOT_SIGNER, code};
use super::open_channel::unusable_keys;

/// Where a lane keeps its generation.
const GENERATION: usize = 56;

/// A world whose lane 0 was debited 100 and revoked, and the key that it may be rotated to.
fn revoked() -> (World, Channel, Vec<Pubkey>, Pubkey) {
    let (mut world, channel, agents) = World::with_channel(1_000, 2);
    let claims = world.claims(&channel, &agents[..1], 100);
    let settle = world.settle(&channel, claims);
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(&[settle, revoke]);
    let successor = world.chain.new_key();
    (world, channel, agents, successor)
}

/// The same after the grace.
fn ended() -> (World, Channel, Vec<Pubkey>, Pubkey) {
    let (mut world, channel, agents, successor) = revoked();
    let grace = u64::from(MIN_GRACE_SECONDS);
    world.chain.pass(i64::from(MIN_GRACE_SECONDS), grace);
    (world, channel, agents, successor)
}

const fn lane(signer: Pubkey, cap: u64) -> NewLane {
    NewLane { signer, cap }
}

fn claim(
    world: &World,
    channel: &Channel,
    signer: &Pubkey,
    generation: u16,
    authorized: u64,
) -> Claim {
    let voucher = Voucher {
        domain: channel.domain,
        lane: LaneIndex(0),
        generation: Generation(generation),
        authorized: BaseUnits(authorized),
    };
    Claim {
        lane: 0,
        authorized,
        undebited: 0,
        signature: world.chain.sign(signer, &voucher.to_bytes()),
    }
}

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _, successor) = ended();
    let mut rotate = world.rotate_lane(&channel, 0, lane(successor, 100));
    rotate.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(rotate), NOT_SIGNER);
}

#[test]
fn only_owner_and_manager_rotate() {
    let (mut world, channel, agents, successor) = ended();
    for key in [world.manager, world.payee, world.settler, agents[0]] {
        let mut rotate = world.rotate_lane(&channel, 0, lane(successor, 100));
        rotate.accounts[0].pubkey = key;
        assert_eq!(
            world.chain.refused(rotate),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn the_lane_must_exist() {
    let (mut world, channel, _, successor) = ended();
    let rotate = world.rotate_lane(&channel, 2, lane(successor, 100));
    assert_eq!(
        world.chain.refused(rotate),
        code(FarthingError::UnknownLane)
    );
}

#[test]
fn the_revocation_must_have_taken_effect() {
    let grace = u64::from(MIN_GRACE_SECONDS);
    let seconds = i64::from(MIN_GRACE_SECONDS);
    for (seconds, slots) in [(0, 0), (seconds - 1, grace), (seconds, grace - 1)] {
        let (mut world, channel, _, successor) = revoked();
        world.chain.pass(seconds, slots);
        for index in 0..2 {
            // Lane 1 was not revoked at all.
            let rotate = world.rotate_lane(&channel, index, lane(successor, 100));
            assert_eq!(
                world.chain.refused(rotate),
                code(FarthingError::RevocationNotEffective)
            );
        }
    }
}

#[test]
fn a_closing_channel_rotates_no_lane() {
    let (mut world, channel, _, successor) = ended();
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    let rotate = world.rotate_lane(&channel, 0, lane(successor, 100));
    assert_eq!(
        world.chain.refused(rotate),
        code(FarthingError::ChannelClosing)
    );
}

#[test]
fn the_cap_covers_what_was_debited() {
    let (mut world, channel, _, successor) = ended();
    let rotate = world.rotate_lane(&channel, 0, lane(successor, 99));
    assert_eq!(
        world.chain.refused(rotate),
        code(FarthingError::CapBelowDebited)
    );
    let rotate = world.rotate_lane(&channel, 0, lane(successor, 0));
    assert_eq!(world.chain.refused(rotate), code(FarthingError::ZeroCap));
}

#[test]
fn the_new_key_must_be_usable() {
    let (mut world, channel, _, _) = ended();
    for (key, error) in unusable_keys() {
        let rotate = world.rotate_lane(&channel, 0, lane(key, 100));
        assert_eq!(world.chain.refused(rotate), code(error), "{key}");
    }
}

#[test]
fn generations_end() {
    let (mut world, channel, _, successor) = ended();
    let mut account = world.chain.account(&channel.address).expect("a channel");
    let at = CHANNEL_HEADER_LENGTH + GENERATION;
    account.data[at..at + 2].copy_from_slice(&u16::MAX.to_le_bytes());
    world.chain.set_account(&channel.address, account);
    let rotate = world.rotate_lane(&channel, 0, lane(successor, 100));
    assert_eq!(
        world.chain.refused(rotate),
        code(FarthingError::GenerationsExhausted)
    );
}

#[test]
fn a_rotated_lane_carries_its_counter_on() {
    let (mut world, channel, agents, successor) = ended();
    let before = world.chain.account(&channel.address).expect("a channel");
    world.appoint(0);
    let mut rotate = world.rotate_lane(&channel, 0, lane(successor, PREPAID));
    rotate.accounts[0].pubkey = world.manager;
    world.chain.succeed(&[rotate]);
    let after = world.chain.account(&channel.address).expect("a channel");
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!(lanes[0].signer, successor.to_bytes());
    assert_eq!(lanes[0].generation, Generation(1));
    assert_eq!(lanes[0].debited, BaseUnits(100));
    assert_eq!(lanes[0].cap, BaseUnits(PREPAID));
    assert_eq!(lanes[0].revoked.unix_timestamp, NEVER);
    // Nothing else moved.
    let (lane_0, lane_1) = (CHANNEL_HEADER_LENGTH, CHANNEL_HEADER_LENGTH + LANE_LENGTH);
    assert_eq!(before.data[..lane_0], after.data[..lane_0]);
    assert_eq!(before.data[lane_1..], after.data[lane_1..]);

    for (signer, generation) in [(&agents[0], 0), (&agents[0], 1), (&successor, 0)] {
        let claim = claim(&world, &channel, signer, generation, 200);
        let settle = world.settle(&channel, vec![claim]);
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::VoucherNotSigned)
        );
    }
    let claim = claim(&world, &channel, &successor, 1, 130);
    let settle = world.settle(&channel, vec![claim]);
    world.chain.succeed(&[settle]);
    // The ceiling is cumulative: 100 of it were debited to the predecessor.
    assert_eq!(world.payee_balance(), 130);
}

#[test]
fn a_lane_is_rotated_once_for_each_revocation() {
    let (mut world, channel, _, successor) = ended();
    let rotate = world.rotate_lane(&channel, 0, lane(successor, 100));
    world.chain.succeed(std::slice::from_ref(&rotate));
    assert_eq!(
        world.chain.refused(rotate),
        code(FarthingError::RevocationNotEffective)
    );
}
