//! Tests of the instruction `rescue`.

use farthing::error::FarthingError;
use farthing_tests::program::tokens::balance;
use farthing_tests::program::world::PREPAID;
use farthing_tests::program::{Mint, World};
use solana_sdk::pubkey::Pubkey;

use super::codes::{CONSTRAINT_TOKEN_MINT, CONSTRAINT_TOKEN_OWNER, NOT_SIGNER, code};

/// A world, tokens of another mint that were sent to the escrow, and where the owner wants them.
fn mistaken(mint: impl FnOnce(&mut World) -> Mint) -> (World, Mint, Pubkey, Pubkey) {
    let mut world = World::new();
    let mint = mint(&mut world);
    let source = mint.open(&mut world.chain, &world.escrow);
    mint.mint(&mut world.chain, &source, 500);
    let destination = mint.open(&mut world.chain, &world.owner);
    (world, mint, source, destination)
}

fn classic(world: &mut World) -> Mint {
    Mint::create(&mut world.chain)
}

#[test]
fn the_owner_must_sign() {
    let (mut world, mint, source, destination) = mistaken(classic);
    let mut rescue = world.rescue(&mint, source, destination);
    rescue.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(rescue), NOT_SIGNER);
}

#[test]
fn only_the_owner_rescues() {
    let (mut world, mint, source, destination) = mistaken(classic);
    world.appoint(1_000);
    for key in [world.manager, world.payee, world.stranger] {
        let mut rescue = world.rescue(&mint, source, destination);
        rescue.accounts[0].pubkey = key;
        assert_eq!(world.chain.refused(rescue), code(FarthingError::OwnerOnly));
    }
}

#[test]
fn the_vault_is_not_rescued() {
    let mut world = World::new();
    let mint = world.mint;
    let destination = mint.open(&mut world.chain, &world.owner);
    let rescue = world.rescue(&mint, world.vault(), destination);
    assert_eq!(
        world.chain.refused(rescue),
        code(FarthingError::RescueOfVault)
    );
}

#[test]
fn an_empty_account_is_not_rescued() {
    let (mut world, mint, source, destination) = mistaken(classic);
    let rescue = world.rescue(&mint, source, destination);
    world.chain.succeed(std::slice::from_ref(&rescue));
    assert_eq!(
        world.chain.refused(rescue),
        code(FarthingError::NothingToRescue)
    );
}

#[test]
fn accounts_of_others_are_refused() {
    let (mut world, mint, source, destination) = mistaken(classic);
    let strangers = mint.open(&mut world.chain, &world.stranger);
    mint.mint(&mut world.chain, &strangers, 1);
    let rescue = world.rescue(&mint, strangers, destination);
    assert_eq!(world.chain.refused(rescue), CONSTRAINT_TOKEN_OWNER);

    let other = Mint::create(&mut world.chain);
    let rescue = world.rescue(&other, source, destination);
    assert_eq!(world.chain.refused(rescue), CONSTRAINT_TOKEN_MINT);
    let elsewhere = other.open(&mut world.chain, &world.owner);
    let rescue = world.rescue(&mint, source, elsewhere);
    assert_eq!(world.chain.refused(rescue), CONSTRAINT_TOKEN_MINT);
}

#[test]
fn mistaken_tokens_go_where_the_owner_says() {
    for mint in [classic, |world: &mut World| {
        Mint::create_2022(&mut world.chain)
    }] {
        let (mut world, mint, source, destination) = mistaken(mint);
        let rescue = world.rescue(&mint, source, destination);
        world.chain.succeed(&[rescue]);
        assert_eq!(balance(&world.chain, &source), 0);
        assert_eq!(balance(&world.chain, &destination), 500);
        assert_eq!(world.vault_balance(), PREPAID);
    }
}

#[test]
fn another_account_of_the_same_mint_can_be_moved_into_the_vault() {
    let mut world = World::new();
    let mint = world.mint;
    let source = mint.open(&mut world.chain, &world.stranger);
    mint.mint(&mut world.chain, &source, 500);
    mint.reassign(&mut world.chain, &source, &world.stranger, &world.escrow);
    let rescue = world.rescue(&mint, source, world.vault());
    world.chain.succeed(&[rescue]);
    assert_eq!(world.vault_balance(), PREPAID + 500);
    assert_eq!(world.escrow_state().allocated, 0);
}
