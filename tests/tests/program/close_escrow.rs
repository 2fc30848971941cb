//! Tests of the instruction `close_escrow`.

use farthing::error::FarthingError;
use farthing::instruction as data;
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

/// A world whose vault is empty.
fn empty() -> World {
    let (mut world, destination) = world();
    let withdraw = world.withdraw(destination, PREPAID);
    world.chain.succeed(&[withdraw]);
    world
}

fn close(
    world: &World,
    destination: Option<Pubkey>,
    change: impl FnOnce(&mut farthing::accounts::CloseEscrow),
) -> Instruction {
    let mut accounts = world.close_escrow_accounts(destination);
    change(&mut accounts);
    instruction(accounts, data::CloseEscrow {})
}

#[test]
fn the_authority_must_sign() {
    let mut world = empty();
    let mut close = world.close_escrow(None);
    close.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(close), NOT_SIGNER);
}

#[test]
fn strangers_and_the_manager_cannot_close() {
    let mut world = empty();
    world.appoint(5);
    for key in [world.manager, world.stranger] {
        let close = close(&world, None, |accounts| accounts.authority = key);
        assert_eq!(
            world.chain.refused(close),
            code(FarthingError::OwnerOrRentPayerOnly)
        );
    }
}

#[test]
fn the_rent_payer_cannot_close_while_there_is_money() {
    let (mut world, destination) = world();
    let key = world.rent_payer;
    let close = close(&world, Some(destination), |accounts| {
        accounts.authority = key;
    });
    assert_eq!(
        world.chain.refused(close),
        code(FarthingError::VaultNotEmpty)
    );
}

#[test]
fn money_needs_a_destination() {
    let (mut world, _) = world();
    let close = world.close_escrow(None);
    assert_eq!(
        world.chain.refused(close),
        code(FarthingError::DestinationMissing)
    );
}

#[test]
fn money_goes_to_the_owner_only() {
    let (mut world, _) = world();
    let close = world.close_escrow(Some(world.payee_token()));
    assert_eq!(
        world.chain.refused(close),
        code(FarthingError::DestinationNotOwners)
    );
}

#[test]
fn the_destination_must_be_of_the_mint() {
    let (mut world, _) = world();
    let other = Mint::create(&mut world.chain);
    let account = other.open(&mut world.chain, &world.owner);
    let close = world.close_escrow(Some(account));
    assert_eq!(world.chain.refused(close), CONSTRAINT_TOKEN_MINT);
}

#[test]
fn the_vault_is_no_destination() {
    let (mut world, _) = world();
    let close = world.close_escrow(Some(world.vault()));
    assert_eq!(world.chain.refused(close), DUPLICATE_MUTABLE_ACCOUNT);
}

#[test]
fn channels_must_be_closed_first() {
    let (mut world, destination) = world();
    let agent = world.chain.new_key();
    world.open(0, 1, &[agent]);
    let close = world.close_escrow(Some(destination));
    assert_eq!(
        world.chain.refused(close),
        code(FarthingError::ChannelsOpen)
    );
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, destination) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other_escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let other_vault = world.mint.address_of(&other_escrow);
    let other_mint = Mint::create(&mut world.chain).address;
    let stranger = world.stranger;

    let with_vault = close(&world, Some(destination), |accounts| {
        accounts.vault = other_vault;
    });
    assert_eq!(
        world.chain.refused(with_vault),
        code(FarthingError::WrongVault)
    );
    let with_mint = close(&world, Some(destination), |accounts| {
        accounts.mint = other_mint;
    });
    assert_eq!(
        world.chain.refused(with_mint),
        code(FarthingError::WrongMint)
    );
    let with_rent_payer = close(&world, Some(destination), |accounts| {
        accounts.rent_payer = stranger;
    });
    assert_eq!(
        world.chain.refused(with_rent_payer),
        code(FarthingError::WrongRentPayer)
    );
    let with_program = close(&world, Some(destination), |accounts| {
        accounts.token_program = farthing::ID;
    });
    assert_eq!(world.chain.refused(with_program), INVALID_PROGRAM_ID);
}

#[test]
fn the_owner_closes_with_what_is_left() {
    let (mut world, destination) = world();
    let rent = world.chain.lamports(&world.escrow) + world.chain.lamports(&world.vault());
    let before = world.chain.lamports(&world.rent_payer);
    let close = world.close_escrow(Some(destination));
    world.chain.succeed(&[close]);
    assert_eq!(balance(&world.chain, &destination), PREPAID);
    assert!(world.chain.account(&world.escrow).is_none());
    assert!(world.chain.account(&world.vault()).is_none());
    assert_eq!(world.chain.lamports(&world.rent_payer), before + rent);
}

#[test]
fn either_closes_an_empty_escrow() {
    for by_rent_payer in [false, true] {
        let mut world = empty();
        let authority = if by_rent_payer {
            world.rent_payer
        } else {
            world.owner
        };
        let close = close(&world, None, |accounts| accounts.authority = authority);
        world.chain.succeed(&[close]);
        assert!(world.chain.account(&world.escrow).is_none());
    }
}

#[test]
fn a_destination_that_receives_nothing_may_be_unusable() {
    let (mut world, destination) = world();
    let withdraw = world.withdraw(destination, PREPAID);
    world.chain.succeed(&[withdraw]);
    let mint = world.mint;
    mint.freeze(&mut world.chain, &destination);
    let close = world.close_escrow(Some(destination));
    world.chain.succeed(&[close]);
    assert!(world.chain.account(&world.escrow).is_none());
}

#[test]
fn an_escrow_can_be_created_again_and_its_approvals_revoked() {
    let mut world = empty();
    let approve = world.approve_payee(farthing_protocol::limits::MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    world.appoint(5);
    let close = world.close_escrow(None);
    world.chain.succeed(&[close]);

    let create = world.create_escrow(0);
    world.chain.succeed(&[create]);
    assert_eq!(world.escrow_state().manager, None);
    let revoke = world.revoke_payee();
    world.chain.succeed(&[revoke]);
}
