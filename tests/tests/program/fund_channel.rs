//! Tests of the instruction `fund_channel`.

use farthing::error::FarthingError;
use farthing::{FundChannelArgs, instruction as data};
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use farthing_tests::program::world::{PREPAID, escrow_address};
use farthing_tests::program::{Channel, World, instruction};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::{DISCRIMINATOR_MISMATCH, NOT_SIGNER, code};

const DEPOSIT: u64 = 1_000;

fn world() -> (World, Channel) {
    let (world, channel, _) = World::with_channel(DEPOSIT, 1);
    (world, channel)
}

fn fund_as(
    world: &World,
    channel: &Channel,
    amount: u64,
    (authority, approval): (Pubkey, Option<Pubkey>),
) -> Instruction {
    let mut accounts = world.fund_channel_accounts(channel);
    accounts.authority = authority;
    accounts.approval = approval;
    let args = FundChannelArgs { amount };
    instruction(accounts, data::FundChannel { args })
}

#[test]
fn the_authority_must_sign() {
    let (mut world, channel) = world();
    let mut fund = world.fund_channel(&channel, 1);
    fund.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(fund), NOT_SIGNER);
}

#[test]
fn only_owner_and_manager_fund() {
    let (mut world, channel) = world();
    for key in [world.manager, world.payee, world.settler] {
        let fund = fund_as(&world, &channel, 1, (key, None));
        assert_eq!(
            world.chain.refused(fund),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, channel) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other = escrow_address(&world.owner, &world.mint.address, 1);
    let other_vault = world.mint.address_of(&other);
    let args = FundChannelArgs { amount: 1 };

    let mut accounts = world.fund_channel_accounts(&channel);
    accounts.vault = other_vault;
    let fund = instruction(accounts, data::FundChannel { args: args.clone() });
    assert_eq!(world.chain.refused(fund), code(FarthingError::WrongVault));

    let mut accounts = world.fund_channel_accounts(&channel);
    accounts.escrow = other;
    accounts.vault = other_vault;
    let fund = instruction(accounts, data::FundChannel { args: args.clone() });
    assert_eq!(world.chain.refused(fund), code(FarthingError::WrongEscrow));

    let mut accounts = world.fund_channel_accounts(&channel);
    accounts.channel = world.escrow;
    let fund = instruction(accounts, data::FundChannel { args });
    assert_eq!(world.chain.refused(fund), DISCRIMINATOR_MISMATCH);
}

#[test]
fn the_manager_needs_an_approval_with_the_channels_grace() {
    let (mut world, _) = world();
    let agent = world.chain.new_key();
    let mut args = world.open_args(1, DEPOSIT, &[agent]);
    args.grace_seconds = MIN_GRACE_SECONDS + 1;
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);
    world.appoint(PREPAID);
    let fund = fund_as(&world, &channel, 1, (world.manager, None));
    assert_eq!(
        world.chain.refused(fund),
        code(FarthingError::PayeeNotApproved)
    );

    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let approval = Some(world.approval());
    let fund = fund_as(&world, &channel, 1, (world.manager, approval));
    assert_eq!(
        world.chain.refused(fund),
        code(FarthingError::GraceAboveApproval)
    );
}

#[test]
fn the_manager_is_bound_by_its_allowance() {
    let (mut world, channel) = world();
    world.appoint(5);
    let approve = world.approve_payee(MAX_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let as_manager = (world.manager, Some(world.approval()));
    let fund = fund_as(&world, &channel, 6, as_manager);
    assert_eq!(
        world.chain.refused(fund),
        code(FarthingError::AllowanceExceeded)
    );
    let fund = fund_as(&world, &channel, 5, as_manager);
    world.chain.succeed(&[fund]);
    assert_eq!(world.escrow_state().manager_allowance, 0);
    let fund = fund_as(&world, &channel, 1, as_manager);
    assert_eq!(
        world.chain.refused(fund),
        code(FarthingError::AllowanceExceeded)
    );
}

#[test]
fn the_amount_must_be_something_and_free() {
    let (mut world, channel) = world();
    let fund = world.fund_channel(&channel, 0);
    assert_eq!(world.chain.refused(fund), code(FarthingError::ZeroAmount));
    for amount in [PREPAID - DEPOSIT + 1, u64::MAX] {
        let fund = world.fund_channel(&channel, amount);
        assert_eq!(
            world.chain.refused(fund),
            code(FarthingError::InsufficientFreeFunds)
        );
    }
}

#[test]
fn a_closing_channel_does_not_grow() {
    let (mut world, channel) = world();
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    let fund = world.fund_channel(&channel, 1);
    assert_eq!(
        world.chain.refused(fund),
        code(FarthingError::ChannelClosing)
    );
}

#[test]
fn the_owner_funds_with_all_that_is_free() {
    let (mut world, channel) = world();
    let fund = world.fund_channel(&channel, PREPAID - DEPOSIT);
    world.chain.succeed(&[fund]);
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!(header.deposit.0, PREPAID);
    assert_eq!(world.escrow_state().allocated, PREPAID);
}
