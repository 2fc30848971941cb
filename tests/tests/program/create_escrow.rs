//! Tests of the instruction `create_escrow`.

use farthing::{CreateEscrowArgs, instruction as data};
use farthing_protocol::layout::{ESCROW_DISCRIMINATOR, LAYOUT_VERSION};
use farthing_tests::program::tokens::balance;
use farthing_tests::program::world::escrow_address;
use farthing_tests::program::{Chain, World, instruction};
use solana_sdk::instruction::Instruction;
use spl_associated_token_account_interface::instruction::create_associated_token_account;

use super::codes::{
    ALREADY_IN_USE, CONSTRAINT_SEEDS, INVALID_PROGRAM_ID, NOT_SIGNER, OWNED_BY_WRONG_PROGRAM,
};

fn create(
    world: &World,
    escrow_id: u64,
    change: impl FnOnce(&mut farthing::accounts::CreateEscrow),
) -> Instruction {
    let mut accounts = world.create_escrow_accounts(escrow_id);
    change(&mut accounts);
    let args = CreateEscrowArgs { escrow_id };
    instruction(accounts, data::CreateEscrow { args })
}

#[test]
fn the_owner_must_sign() {
    let mut world = World::new();
    let mut create = create(&world, 1, |_| ());
    create.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(create), NOT_SIGNER);
}

#[test]
fn the_rent_payer_must_sign() {
    let mut world = World::new();
    let mut create = create(&world, 1, |_| ());
    create.accounts[1].is_signer = false;
    assert_eq!(world.chain.refused(create), NOT_SIGNER);
}

#[test]
fn the_address_must_be_the_owners() {
    let mut world = World::new();
    let stranger = world.stranger;
    let create = create(&world, 1, |accounts| accounts.owner = stranger);
    assert_eq!(world.chain.refused(create), CONSTRAINT_SEEDS);
}

#[test]
fn the_address_must_be_of_the_id() {
    let mut world = World::new();
    let escrow = escrow_address(&world.owner, &world.mint.address, 2);
    let vault = world.mint.address_of(&escrow);
    let create = create(&world, 1, |accounts| {
        accounts.escrow = escrow;
        accounts.vault = vault;
    });
    assert_eq!(world.chain.refused(create), CONSTRAINT_SEEDS);
}

#[test]
fn an_escrow_cannot_be_created_twice() {
    let mut world = World::new();
    let create = create(&world, 0, |_| ());
    assert_eq!(world.chain.refused(create), ALREADY_IN_USE);
}

#[test]
fn the_vault_must_be_the_escrows() {
    let mut world = World::new();
    let other = world.vault();
    let create = create(&world, 1, |accounts| accounts.vault = other);
    // Anchor's `ConstraintTokenOwner`: it exists, and belongs to another escrow.
    assert_eq!(world.chain.refused(create), 2015);
}

#[test]
fn a_token_account_that_is_not_associated_is_no_vault() {
    let mut world = World::new();
    let escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let account = world.mint.open(&mut world.chain, &world.stranger);
    let mint = world.mint;
    mint.reassign(&mut world.chain, &account, &world.stranger, &escrow);
    let create = create(&world, 1, |accounts| accounts.vault = account);
    // Anchor's `AccountNotAssociatedTokenAccount`.
    assert_eq!(world.chain.refused(create), 3014);
}

#[test]
fn a_mint_of_another_token_program_is_refused() {
    let mut world = World::new();
    let mut account = world.chain.account(&world.mint.address).expect("a mint");
    account.owner = world.stranger;
    let mint = world.chain.new_address();
    world.chain.set_account(&mint, account);
    let create = create(&world, 1, |accounts| accounts.mint = mint);
    assert_eq!(world.chain.refused(create), OWNED_BY_WRONG_PROGRAM);
}

#[test]
fn the_programs_must_be_the_named_ones() {
    let mut world = World::new();
    for index in 5..8 {
        let mut create = create(&world, 1, |_| ());
        create.accounts[index].pubkey = farthing::ID;
        assert_eq!(world.chain.refused(create), INVALID_PROGRAM_ID);
    }
}

#[test]
fn an_escrow_and_its_vault_are_created() {
    for chain in [Chain::new(), Chain::with_all_features()] {
        let mut world = World::on(chain);
        let before = world.chain.lamports(&world.rent_payer);
        let create = create(&world, 7, |_| ());
        world.chain.succeed(&[create]);
        let address = escrow_address(&world.owner, &world.mint.address, 7);
        let account = world.chain.account(&address).expect("the escrow");
        assert_eq!(account.data[..8], ESCROW_DISCRIMINATOR);
        assert_eq!(account.owner, farthing::ID);
        let vault = world.mint.address_of(&address);
        let paid = before - world.chain.lamports(&world.rent_payer);
        assert_eq!(paid, account.lamports + world.chain.lamports(&vault));

        world.escrow = address;
        let escrow = world.escrow_state();
        assert_eq!(escrow.version, LAYOUT_VERSION);
        assert_eq!(escrow.owner, world.owner);
        assert_eq!(escrow.mint, world.mint.address);
        assert_eq!(escrow.escrow_id, 7);
        assert_eq!(escrow.rent_payer, world.rent_payer);
        assert_eq!((escrow.manager, escrow.countersigner), (None, None));
        assert_eq!((escrow.manager_allowance, escrow.allocated), (0, 0));
        assert_eq!((escrow.open_channels, escrow.event_sequence), (0, 1));
        let stored = escrow.vault_address(&address).expect("a valid bump");
        assert_eq!(stored, vault);
    }
}

#[test]
fn lamports_at_the_address_do_not_prevent_it() {
    let mut world = World::new();
    let address = escrow_address(&world.owner, &world.mint.address, 1);
    let vault = world.mint.address_of(&address);
    for lamports in [world.chain.rent(0), 1_000_000_000] {
        world.chain.airdrop(&address, lamports);
        world.chain.airdrop(&vault, lamports);
    }
    let create = create(&world, 1, |_| ());
    world.chain.succeed(&[create]);
    world.escrow = address;
    assert_eq!(world.escrow_state().escrow_id, 1);
}

#[test]
fn a_vault_that_exists_is_taken_with_what_it_holds() {
    let mut world = World::new();
    let address = escrow_address(&world.owner, &world.mint.address, 1);
    let by_a_stranger = create_associated_token_account(
        &world.stranger,
        &address,
        &world.mint.address,
        &spl_token_interface::ID,
    );
    world.chain.succeed(&[by_a_stranger]);
    let vault = world.mint.address_of(&address);
    world.mint.mint(&mut world.chain, &vault, 5);
    let create = create(&world, 1, |_| ());
    world.chain.succeed(&[create]);
    world.escrow = address;
    let destination = world.mint.open(&mut world.chain, &world.owner);
    let withdraw = world.withdraw(destination, 5);
    world.chain.succeed(&[withdraw]);
    assert_eq!(balance(&world.chain, &destination), 5);
}
