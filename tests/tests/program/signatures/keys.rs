//! Tests which keys a lane or a countersigner may have: every instruction that sets a key accepts the same ones.

use curve25519_dalek::scalar::Scalar;
use farthing::error::FarthingError;
use farthing::state::NewLane;
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_tests::program::World;
use farthing_tests::program::world::new_lanes;
use farthing_wire::signature::SignerKey;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::points::{Point, decoded, encodings_above_p, is_canonical, small_order_encodings};
use crate::codes::code;

/// What is no key, and why.
fn unusable_keys() -> Vec<([u8; 32], FarthingError)> {
    let mut keys = Vec::new();
    for encoding in small_order_encodings() {
        let error = if is_canonical(&encoding) {
            FarthingError::KeyOfSmallOrder
        } else {
            FarthingError::KeyNotCanonical
        };
        keys.push((encoding, error));
    }
    for encoding in encodings_above_p() {
        let error = if decoded(&encoding).is_some() {
            FarthingError::KeyNotCanonical
        } else {
            FarthingError::KeyNotOnCurve
        };
        keys.push((encoding, error));
    }
    // No point has y = 2, and no derived address is one.
    let (derived, _) = Pubkey::find_program_address(&[b"lane"], &farthing::ID);
    let mut two = [0; 32];
    two[0] = 2;
    keys.extend([two, derived.to_bytes()].map(|key| (key, FarthingError::KeyNotOnCurve)));
    keys
}

/// Keys with every torsion component: only [8]A decides.
fn usable_keys() -> impl Iterator<Item = [u8; 32]> {
    Point::family(Scalar::from(1_000_003_u64), 0).map(|point| point.encoding)
}

/// Requires the right answer of an instruction to every key.
fn check(world: &mut World, mut set: impl FnMut(&mut World, Pubkey) -> Instruction) {
    for (key, error) in unusable_keys() {
        let set = set(world, Pubkey::new_from_array(key));
        assert_eq!(world.chain.refused(set), code(error), "{key:02x?}");
    }
    for key in usable_keys() {
        let set = set(world, Pubkey::new_from_array(key));
        world.chain.succeed(&[set]);
    }
}

#[test]
fn no_encoding_is_missing() {
    let small = small_order_encodings();
    assert_eq!(small.len(), 14);
    assert_eq!(small.iter().filter(|key| is_canonical(key)).count(), 8);

    let unusable = unusable_keys();
    let with = |wanted| {
        unusable
            .iter()
            .filter(|(_, error)| *error == wanted)
            .count()
    };
    assert_eq!(with(FarthingError::KeyOfSmallOrder), 8);
    assert_eq!(with(FarthingError::KeyNotCanonical), 30);
    assert_eq!(with(FarthingError::KeyNotOnCurve), 16);
}

#[test]
fn open_channel_asks_for_usable_keys() {
    let mut channel_id = 0;
    check(&mut World::new(), |world, key| {
        channel_id += 1;
        world.open_channel(world.open_args(channel_id, 1, &[world.stranger, key]))
    });
}

#[test]
fn add_lanes_asks_for_usable_keys() {
    let (mut world, channel, agents) = World::with_channel(1, 1);
    check(&mut world, |world, key| {
        world.add_lanes(&channel, new_lanes(&[agents[0], key]))
    });
}

#[test]
fn rotate_lane_asks_for_usable_keys() {
    let (mut world, channel, _) = World::with_channel(1, 1);
    check(&mut world, |world, signer| {
        let revoke = world.revoke_lane(&channel, 0);
        world.chain.succeed(&[revoke]);
        let grace = MIN_GRACE_SECONDS;
        world.chain.pass(grace.into(), grace.into());
        world.rotate_lane(&channel, 0, NewLane { signer, cap: 1 })
    });
}

#[test]
fn set_countersigner_asks_for_usable_keys() {
    let (mut world, channel, _) = World::with_channel(1, 1);
    check(&mut world, |world, key| {
        world.set_countersigner(Some(key), &[channel])
    });
}

#[test]
fn the_verifier_knows_the_same_keys() {
    for (key, _) in unusable_keys() {
        assert!(SignerKey::new(&key).is_err(), "{key:02x?}");
    }
    for key in usable_keys() {
        assert!(SignerKey::new(&key).is_ok(), "{key:02x?}");
    }
}
