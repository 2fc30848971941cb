//! Tests of the instruction `close_channel`.

use farthing::error::FarthingError;
use farthing::instruction as data;
use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_tests::program::world::{PREPAID, escrow_address};
use farthing_tests::program::{Channel, Mint, World, instruction};
use solana_sdk::instruction::Instruction;

use super::codes::{DISCRIMINATOR_MISMATCH, INVALID_PROGRAM_ID, NOT_SIGNER, code};

const DEPOSIT: u64 = 1_000;

/// A world with a channel that is old enough to be closed.
fn world() -> (World, Channel, Vec<solana_sdk::pubkey::Pubkey>) {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 2);
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    (world, channel, agents)
}

fn close(
    world: &World,
    channel: &Channel,
    change: impl FnOnce(&mut farthing::accounts::CloseChannel),
) -> Instruction {
    let mut accounts = world.close_channel_accounts(channel);
    change(&mut accounts);
    instruction(accounts, data::CloseChannel {})
}

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _) = world();
    let mut close = world.close_channel(&channel);
    close.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(close), NOT_SIGNER);
}

#[test]
fn only_the_payee_closes_before_a_request() {
    let (mut world, channel, _) = world();
    world.chain.pass(1_000_000_000, 1_000_000_000);
    for key in [world.owner, world.settler, world.stranger] {
        let close = close(&world, &channel, |accounts| accounts.authority = key);
        assert_eq!(
            world.chain.refused(close),
            code(FarthingError::GraceNotOver)
        );
    }
}

#[test]
fn the_grace_is_seconds_and_slots() {
    let grace = u64::from(MIN_GRACE_SECONDS);
    let seconds = i64::from(MIN_GRACE_SECONDS);
    let almost = [
        (seconds - 1, grace),
        (seconds, grace - 1),
        (10 * seconds, 0),
    ];
    for (seconds, slots) in almost {
        let (mut world, channel, _) = world();
        let request = world.request_close(&channel);
        world.chain.succeed(&[request]);
        world.chain.pass(seconds, slots);
        let owner = world.owner;
        let close = close(&world, &channel, |accounts| accounts.authority = owner);
        assert_eq!(
            world.chain.refused(close),
            code(FarthingError::GraceNotOver)
        );
    }
}

#[test]
fn anybody_closes_after_the_grace() {
    let (mut world, channel, _) = world();
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    world
        .chain
        .pass(i64::from(MIN_GRACE_SECONDS), u64::from(MIN_GRACE_SECONDS));
    let stranger = world.stranger;
    let close = close(&world, &channel, |accounts| accounts.authority = stranger);
    world.chain.succeed(&[close]);
    assert!(world.chain.account(&channel.address).is_none());
    assert_eq!(world.escrow_state().allocated, 0);
}

#[test]
fn the_opening_window_must_be_over() {
    let (mut world, channel, _) = World::with_channel(DEPOSIT, 1);
    for slots in [0, OPENED_SLOT_WINDOW] {
        world.chain.pass(60, slots);
        let close = world.close_channel(&channel);
        assert_eq!(
            world.chain.refused(close),
            code(FarthingError::ClosedTooEarly)
        );
    }
    world.chain.pass(0, 1);
    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, channel, _) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other_escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let other_vault = world.mint.address_of(&other_escrow);
    let other_mint = Mint::create(&mut world.chain).address;
    let strangers = world.mint.open(&mut world.chain, &world.stranger);
    let stranger = world.stranger;
    let refused = |world: &mut World, change: &dyn Fn(&mut farthing::accounts::CloseChannel)| {
        let close = close(world, &channel, change);
        world.chain.refused(close)
    };

    let with_escrow = refused(&mut world, &|accounts| {
        accounts.funds.escrow = other_escrow;
        accounts.funds.vault = other_vault;
    });
    assert_eq!(with_escrow, code(FarthingError::WrongEscrow));
    let with_channel = refused(&mut world, &|accounts| {
        accounts.funds.channel = accounts.funds.escrow
    });
    assert_eq!(with_channel, DISCRIMINATOR_MISMATCH);
    let with_mint = refused(&mut world, &|accounts| accounts.funds.mint = other_mint);
    assert_eq!(with_mint, code(FarthingError::WrongMint));
    let with_vault = refused(&mut world, &|accounts| accounts.funds.vault = other_vault);
    assert_eq!(with_vault, code(FarthingError::WrongVault));
    let with_payee = refused(&mut world, &|accounts| {
        accounts.funds.payee_token = strangers
    });
    assert_eq!(with_payee, code(FarthingError::WrongPayeeToken));
    let with_rent_payer = refused(&mut world, &|accounts| accounts.rent_payer = stranger);
    assert_eq!(with_rent_payer, code(FarthingError::WrongRentPayer));
    let with_program = refused(&mut world, &|accounts| {
        accounts.funds.token_program = farthing::ID;
    });
    assert_eq!(with_program, INVALID_PROGRAM_ID);
}

#[test]
fn the_rest_returns_to_the_escrow_and_the_rent_to_its_payer() {
    let (mut world, channel, agents) = world();
    let claims = world.claims(&channel, &agents, 100);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    let add = world.add_lanes(&channel, farthing_tests::program::world::new_lanes(&agents));
    world.chain.succeed(&[add]);
    let rent = world.chain.lamports(&channel.address);
    let before = world.chain.lamports(&world.rent_payer);
    world.appoint(5);

    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
    assert!(world.chain.account(&channel.address).is_none());
    assert_eq!(world.chain.lamports(&world.rent_payer), before + rent);
    let escrow = world.escrow_state();
    assert_eq!((escrow.allocated, escrow.open_channels), (0, 0));
    // Closing restores no allowance.
    assert_eq!(escrow.manager_allowance, 5);
    assert_eq!(world.vault_balance(), PREPAID - 200);

    let destination = world.mint.open(&mut world.chain, &world.owner);
    let withdraw = world.withdraw(destination, PREPAID - 200);
    let close = world.close_escrow(None);
    world.chain.succeed(&[withdraw, close]);
}

#[test]
fn a_channel_that_is_closed_is_gone() {
    let (mut world, channel, agents) = world();
    let close = world.close_channel(&channel);
    world.chain.succeed(std::slice::from_ref(&close));
    assert_eq!(
        world.chain.refused(close),
        super::codes::OWNED_BY_WRONG_PROGRAM
    );
    let claims = world.claims(&channel, &agents, 1);
    let settle = world.settle(&channel, claims);
    assert_eq!(
        world.chain.refused(settle),
        super::codes::OWNED_BY_WRONG_PROGRAM
    );
}

#[test]
fn vouchers_of_an_earlier_channel_at_the_address_are_worthless() {
    let (mut world, channel, agents) = world();
    let old = world.claims(&channel, &agents, 100);
    let opened_slot = world.channel_state(&channel.address).0.opened_slot;
    let close = world.close_channel(&channel);
    // In the same slot, with the oldest `opened_slot` that is allowed: still another domain.
    let mut args = world.open_args(0, DEPOSIT, &agents);
    args.opened_slot -= OPENED_SLOT_WINDOW;
    assert_eq!(args.opened_slot, opened_slot + 1);
    let reopened = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[close, open]);

    assert_eq!(reopened.address, channel.address);
    assert_ne!(reopened.domain, channel.domain);
    let settle = world.settle(&reopened, old);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::VoucherNotSigned)
    );
    let new = world.claims(&reopened, &agents, 100);
    let settle = world.settle(&reopened, new);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 200);
}

#[test]
fn the_payee_closes_with_its_last_claims_in_one_transaction() {
    let (mut world, channel, agents) = world();
    let countersigner = world.chain.new_key();
    let set = world.set_countersigner(Some(countersigner), &[channel]);
    world.chain.succeed(&[set]);
    let last = world.claims(&channel, &agents[..1], 300);
    let statement = world.statement(&channel, &countersigner, &[(1, 200)]);
    // The payee signs once for all three, without a settler and without waiting for anybody.
    let mut settle = world.settle(&channel, last);
    settle.accounts[0].pubkey = world.payee;
    let mut settle_statement = world.settle_statement(&channel, statement);
    settle_statement.accounts[0].pubkey = world.payee;
    let close = world.close_channel(&channel);
    world.chain.succeed(&[settle, settle_statement, close]);
    assert_eq!(world.payee_balance(), 500);
    assert!(world.chain.account(&channel.address).is_none());
    let escrow = world.escrow_state();
    assert_eq!((escrow.allocated, escrow.open_channels), (0, 0));
}

#[test]
fn nothing_of_a_last_transaction_counts_if_one_claim_is_bad() {
    let (mut world, channel, agents) = world();
    let mut last = world.claims(&channel, &agents, 100);
    last[1].signature[0] ^= 1;
    let settle = world.settle(&channel, last);
    let close = world.close_channel(&channel);
    assert!(world.chain.send(&[settle, close]).is_err());
    assert_eq!(world.payee_balance(), 0);
    let (header, _) = world.channel_state(&channel.address);
    assert!(!header.is_closing());
}
