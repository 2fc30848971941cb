//! Tests of the instruction `set_settler`.

use farthing::error::FarthingError;
use farthing_tests::program::World;

use super::codes::{NOT_SIGNER, code};

#[test]
fn the_payee_must_sign() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let mut set = world.set_settler(&channel, world.stranger);
    set.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(set), NOT_SIGNER);
}

#[test]
fn only_the_payee_names_a_settler() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    for key in [world.owner, world.settler, world.stranger] {
        let mut set = world.set_settler(&channel, world.stranger);
        set.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(set), code(FarthingError::PayeeOnly));
    }
}

#[test]
fn the_countersigner_does_not_settle() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let countersigner = world.chain.new_key();
    let name = world.set_countersigner(Some(countersigner), &[channel]);
    world.chain.succeed(&[name]);
    let set = world.set_settler(&channel, countersigner);
    assert_eq!(
        world.chain.refused(set),
        code(FarthingError::CountersignerEarns)
    );
}

#[test]
fn the_new_settler_settles_at_once_and_the_old_one_no_longer() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    let set = world.set_settler(&channel, world.stranger);
    world.chain.succeed(&[set]);
    let claims = world.claims(&channel, &agents, 10);
    let by_old = world.settle(&channel, claims.clone());
    assert_eq!(
        world.chain.refused(by_old),
        code(FarthingError::SettlerOrPayeeOnly)
    );
    world.settler = world.stranger;
    let by_new = world.settle(&channel, claims);
    world.chain.succeed(&[by_new]);
    assert_eq!(world.payee_balance(), 10);
}

#[test]
fn a_settler_can_be_replaced_while_the_channel_closes() {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let request = world.request_close(&channel);
    let set = world.set_settler(&channel, world.stranger);
    world.chain.succeed(&[request, set]);
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!(header.settler, world.stranger.to_bytes());
}
