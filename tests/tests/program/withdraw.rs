//! Tests of the instruction `withdraw`.

use farthing::error::FarthingError;
use farthing::{WithdrawArgs, instruction as data};
use farthing_tests::program::tokens::balance;
use farthing_tests::program::world::{PREPAID, escrow_address};
use farthing_tests::program::{Mint, World, instruction};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::{
    CONSTRAINT_TOKEN_MINT, DUPLICATE_MUTABLE_ACCOUNT, INVALID_PROGRAM_ID, NOT_SIGNER, code,
};

/// A world, and a token account of its owner.
fn world() -> (World, Pubkey) {
    let mut world = World::new();
    let destination = world.mint.open(&mut world.chain, &world.owner);
    (world, destination)
}

fn withdraw(
    world: &World,
    destination: Pubkey,
    change: impl FnOnce(&mut farthing::accounts::Withdraw),
) -> Instruction {
    let mut accounts = world.withdraw_accounts(destination);
    change(&mut accounts);
    instruction(
        accounts,
        data::Withdraw {
            args: WithdrawArgs { amount: 1 },
        },
    )
}

#[test]
fn the_owner_must_sign() {
    let (mut world, destination) = world();
    let mut withdraw = world.withdraw(destination, 1);
    withdraw.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(withdraw), NOT_SIGNER);
}

#[test]
fn only_the_owner_withdraws() {
    let (mut world, destination) = world();
    world.appoint(PREPAID);
    for key in [world.manager, world.rent_payer, world.stranger] {
        let withdraw = withdraw(&world, destination, |accounts| accounts.owner = key);
        assert_eq!(
            world.chain.refused(withdraw),
            code(FarthingError::OwnerOnly)
        );
    }
}

#[test]
fn the_mint_must_be_the_escrows() {
    let (mut world, destination) = world();
    let other = Mint::create(&mut world.chain);
    let withdraw = withdraw(&world, destination, |accounts| {
        accounts.mint = other.address;
    });
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::WrongMint)
    );
}

#[test]
fn another_escrows_vault_is_refused() {
    let (mut world, destination) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other = escrow_address(&world.owner, &world.mint.address, 1);
    let vault = world.mint.address_of(&other);
    let withdraw = withdraw(&world, destination, |accounts| accounts.vault = vault);
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::WrongVault)
    );
}

#[test]
fn the_destination_must_be_of_the_mint() {
    let (mut world, destination) = world();
    let other = Mint::create(&mut world.chain);
    let account = other.open(&mut world.chain, &world.owner);
    let withdraw = withdraw(&world, destination, |accounts| {
        accounts.destination = account;
    });
    assert_eq!(world.chain.refused(withdraw), CONSTRAINT_TOKEN_MINT);
}

#[test]
fn the_vault_is_no_destination() {
    let (mut world, _) = world();
    let withdraw = world.withdraw(world.vault(), 1);
    assert_eq!(world.chain.refused(withdraw), DUPLICATE_MUTABLE_ACCOUNT);
}

#[test]
fn the_token_program_must_be_it() {
    let (mut world, destination) = world();
    let withdraw = withdraw(&world, destination, |accounts| {
        accounts.token_program = farthing::ID;
    });
    assert_eq!(world.chain.refused(withdraw), INVALID_PROGRAM_ID);
}

#[test]
fn nothing_cannot_be_withdrawn() {
    let (mut world, destination) = world();
    let withdraw = world.withdraw(destination, 0);
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::ZeroAmount)
    );
}

#[test]
fn what_is_locked_cannot_be_withdrawn() {
    let (mut world, destination) = world();
    let agent = world.chain.new_key();
    world.open(0, PREPAID - 10, &[agent]);
    for amount in [11, PREPAID, u64::MAX] {
        let withdraw = world.withdraw(destination, amount);
        assert_eq!(
            world.chain.refused(withdraw),
            code(FarthingError::InsufficientFreeFunds)
        );
    }
    let withdraw = world.withdraw(destination, 10);
    world.chain.succeed(&[withdraw]);
    assert_eq!(balance(&world.chain, &destination), 10);
    assert_eq!(world.vault_balance(), PREPAID - 10);
}

#[test]
fn a_vault_below_what_is_locked_pays_nothing() {
    let (mut world, destination) = world();
    let agent = world.chain.new_key();
    world.open(0, PREPAID, &[agent]);
    // No instruction leads here; only a mint that takes tokens back could.
    let mut vault = world.chain.account(&world.vault()).expect("the vault");
    vault.data[64..72].copy_from_slice(&(PREPAID - 1).to_le_bytes());
    world.chain.set_account(&world.vault(), vault);
    let withdraw = world.withdraw(destination, 1);
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::VaultBelowAllocated)
    );
}

#[test]
fn free_funds_and_donations_go_anywhere() {
    let (mut world, _) = world();
    let donor = world.mint.open(&mut world.chain, &world.stranger);
    world.mint.mint(&mut world.chain, &donor, 7);
    let vault = world.vault();
    let mint = world.mint;
    mint.transfer(&mut world.chain, &donor, &vault, &world.stranger, 7);
    // Anybody's token account will do; the owner knows.
    let withdraw = world.withdraw(donor, PREPAID + 7);
    world.chain.succeed(&[withdraw]);
    assert_eq!(balance(&world.chain, &donor), PREPAID + 7);
    assert_eq!(world.vault_balance(), 0);
}
