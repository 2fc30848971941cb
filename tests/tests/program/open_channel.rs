//! Tests of the instruction `open_channel`.

use farthing::error::FarthingError;
use farthing::state::NewLane;
use farthing::{OpenChannelArgs, instruction as data};
use farthing_protocol::BaseUnits;
use farthing_protocol::layout::NEVER;
use farthing_protocol::limits::{
    MAX_GRACE_SECONDS, MAX_LANES_PER_INSTRUCTION, MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW,
};
use farthing_protocol::seeds::CHANNEL_SEED;
use farthing_tests::program::world::{PREPAID, escrow_address};
use farthing_tests::program::{Chain, World, instruction};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::{
    ALREADY_IN_USE, CONSTRAINT_SEEDS, DISCRIMINATOR_MISMATCH, INVALID_PROGRAM_ID, NOT_SIGNER, code,
};

/// Deposit of the channels here.
const DEPOSIT: u64 = 1_000;

fn world() -> (World, Pubkey) {
    let mut world = World::new();
    let agent = world.chain.new_key();
    (world, agent)
}

fn open_as(
    world: &World,
    args: OpenChannelArgs,
    authority: Pubkey,
    approval: Option<Pubkey>,
) -> Instruction {
    let mut accounts = world.open_channel_accounts(&args);
    accounts.authority = authority;
    accounts.approval = approval;
    instruction(accounts, data::OpenChannel { args })
}

/// The code that an opening with changed arguments is refused with.
fn refused_with(change: impl FnOnce(&mut OpenChannelArgs)) -> u32 {
    let (mut world, agent) = world();
    let mut args = world.open_args(0, DEPOSIT, &[agent]);
    change(&mut args);
    let open = world.open_channel(args);
    world.chain.refused(open)
}

#[test]
fn authority_and_rent_payer_must_sign() {
    let (mut world, agent) = world();
    for index in 0..2 {
        let mut open = world.open_channel(world.open_args(0, DEPOSIT, &[agent]));
        open.accounts[index].is_signer = false;
        assert_eq!(world.chain.refused(open), NOT_SIGNER);
    }
}

#[test]
fn only_owner_and_manager_open() {
    let (mut world, agent) = world();
    // Not the manager yet.
    for key in [world.manager, world.payee, world.stranger] {
        let args = world.open_args(0, DEPOSIT, &[agent]);
        let open = open_as(&world, args, key, None);
        assert_eq!(
            world.chain.refused(open),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn another_escrows_vault_is_refused() {
    let (mut world, agent) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other = escrow_address(&world.owner, &world.mint.address, 1);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let mut accounts = world.open_channel_accounts(&args);
    accounts.vault = world.mint.address_of(&other);
    let open = instruction(accounts, data::OpenChannel { args });
    assert_eq!(world.chain.refused(open), code(FarthingError::WrongVault));
}

#[test]
fn the_address_must_be_of_the_arguments() {
    let (mut world, agent) = world();
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let mut accounts = world.open_channel_accounts(&args);
    accounts.channel = world.channel_address(&world.payee, 1);
    let open = instruction(accounts, data::OpenChannel { args });
    assert_eq!(world.chain.refused(open), CONSTRAINT_SEEDS);
}

#[test]
fn a_channel_cannot_be_opened_twice() {
    let (mut world, agent) = world();
    world.open(0, DEPOSIT, &[agent]);
    let open = world.open_channel(world.open_args(0, DEPOSIT, &[agent]));
    assert_eq!(world.chain.refused(open), ALREADY_IN_USE);
}

#[test]
fn the_system_program_must_be_it() {
    let (mut world, agent) = world();
    let mut open = world.open_channel(world.open_args(0, DEPOSIT, &[agent]));
    open.accounts[6].pubkey = spl_token_interface::ID;
    assert_eq!(world.chain.refused(open), INVALID_PROGRAM_ID);
}

#[test]
fn the_manager_needs_an_approval() {
    let (mut world, agent) = world();
    world.appoint(PREPAID);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let open = open_as(&world, args, world.manager, None);
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::PayeeNotApproved)
    );
}

#[test]
fn the_approval_must_be_the_payees() {
    let (mut world, agent) = world();
    world.appoint(PREPAID);
    let approve = world.approve_payee(MAX_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let mut args = world.open_args(0, DEPOSIT, &[agent]);
    args.payee = world.stranger;
    let open = open_as(&world, args, world.manager, Some(world.approval()));
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::PayeeNotApproved)
    );
}

#[test]
fn the_approval_must_be_the_escrows() {
    let (mut world, agent) = world();
    let approve = world.approve_payee(MAX_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let approval = world.approval();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    world.escrow = escrow_address(&world.owner, &world.mint.address, 1);
    world.prepay(DEPOSIT);
    world.appoint(PREPAID);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let open = open_as(&world, args, world.manager, Some(approval));
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::PayeeNotApproved)
    );
}

#[test]
fn the_approval_must_be_one() {
    let (mut world, agent) = world();
    world.appoint(PREPAID);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let open = open_as(&world, args, world.manager, Some(world.escrow));
    assert_eq!(world.chain.refused(open), DISCRIMINATOR_MISMATCH);
}

#[test]
fn the_manager_is_bound_by_the_approved_grace() {
    let (mut world, agent) = world();
    world.appoint(PREPAID);
    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let mut args = world.open_args(0, DEPOSIT, &[agent]);
    args.grace_seconds += 1;
    let open = open_as(&world, args, world.manager, Some(world.approval()));
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::GraceAboveApproval)
    );
}

#[test]
fn the_manager_is_bound_by_its_allowance() {
    let (mut world, agent) = world();
    world.appoint(DEPOSIT - 1);
    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let open = open_as(&world, args, world.manager, Some(world.approval()));
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::AllowanceExceeded)
    );
}

#[test]
fn the_escrow_cannot_pay_itself() {
    let (mut world, agent) = world();
    let mut args = world.open_args(0, DEPOSIT, &[agent]);
    args.payee = world.escrow;
    let open = world.open_channel(args);
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::PayeeIsEscrow)
    );
}

#[test]
fn a_deposit_is_needed() {
    let refused = refused_with(|args| args.deposit = 0);
    assert_eq!(refused, code(FarthingError::ZeroAmount));
}

#[test]
fn the_deposit_must_be_free() {
    for deposit in [PREPAID + 1, u64::MAX] {
        let refused = refused_with(|args| args.deposit = deposit);
        assert_eq!(refused, code(FarthingError::InsufficientFreeFunds));
    }
    let (mut world, agent) = world();
    world.open(0, PREPAID - 1, &[agent]);
    let open = world.open_channel(world.open_args(1, 2, &[agent]));
    assert_eq!(
        world.chain.refused(open),
        code(FarthingError::InsufficientFreeFunds)
    );
    world.open(1, 1, &[agent]);
    assert_eq!(world.escrow_state().allocated, PREPAID);
}

#[test]
fn the_grace_has_limits() {
    for grace in [0, MIN_GRACE_SECONDS - 1, MAX_GRACE_SECONDS + 1, u32::MAX] {
        let refused = refused_with(|args| args.grace_seconds = grace);
        assert_eq!(refused, code(FarthingError::GraceOutOfRange));
    }
}

#[test]
fn the_opened_slot_has_a_window() {
    let refused = refused_with(|args| args.opened_slot += 1);
    assert_eq!(refused, code(FarthingError::OpenedSlotInFuture));
    let refused = refused_with(|args| args.opened_slot = u64::MAX);
    assert_eq!(refused, code(FarthingError::OpenedSlotInFuture));
    let refused = refused_with(|args| args.opened_slot -= OPENED_SLOT_WINDOW + 1);
    assert_eq!(refused, code(FarthingError::OpenedSlotTooOld));

    let (mut world, agent) = world();
    let mut args = world.open_args(0, DEPOSIT, &[agent]);
    args.opened_slot -= OPENED_SLOT_WINDOW;
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!(header.domain, channel.domain);
}

#[test]
fn lanes_have_a_number() {
    let refused = refused_with(|args| args.lanes.clear());
    assert_eq!(refused, code(FarthingError::NoLanes));
    let refused = refused_with(|args| {
        let lane = args.lanes[0].clone();
        args.lanes = vec![lane; MAX_LANES_PER_INSTRUCTION + 1];
    });
    assert_eq!(refused, code(FarthingError::TooManyLanes));
}

#[test]
fn a_lane_needs_a_cap() {
    let refused = refused_with(|args| args.lanes[0].cap = 0);
    assert_eq!(refused, code(FarthingError::ZeroCap));
}

#[test]
fn a_lane_needs_a_usable_key() {
    for (key, error) in unusable_keys() {
        let refused = refused_with(|args| {
            args.lanes.push(NewLane {
                signer: key,
                cap: 1,
            });
        });
        assert_eq!(refused, code(error), "{:?}", key.to_bytes());
    }
}

/// Encodings that a lane's key must not have, and why.
pub fn unusable_keys() -> Vec<(Pubkey, FarthingError)> {
    let little_endian = |low: u8, middle: u8, high: u8| {
        let mut bytes = [middle; 32];
        bytes[0] = low;
        bytes[31] = high;
        Pubkey::new_from_array(bytes)
    };
    let order_eight = [
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ];
    let mut keys: Vec<_> = order_eight
        .iter()
        .map(|hex| (from_hex(hex), FarthingError::KeyOfSmallOrder))
        .collect();
    keys.extend([
        // y = 1, the identity; y = -1, of order two; y = 0, of order four, with both signs of x.
        (little_endian(1, 0, 0), FarthingError::KeyOfSmallOrder),
        (
            little_endian(0xec, 0xff, 0x7f),
            FarthingError::KeyOfSmallOrder,
        ),
        (little_endian(0, 0, 0), FarthingError::KeyOfSmallOrder),
        (little_endian(0, 0, 0x80), FarthingError::KeyOfSmallOrder),
        // x = 0 with a sign: y = 1 and y = -1.
        (little_endian(1, 0, 0x80), FarthingError::KeyNotCanonical),
        (
            little_endian(0xec, 0xff, 0xff),
            FarthingError::KeyNotCanonical,
        ),
        // y = p, p + 1, and p + 3, which is a point of large order.
        (
            little_endian(0xed, 0xff, 0x7f),
            FarthingError::KeyNotCanonical,
        ),
        (
            little_endian(0xee, 0xff, 0x7f),
            FarthingError::KeyNotCanonical,
        ),
        (
            little_endian(0xf0, 0xff, 0x7f),
            FarthingError::KeyNotCanonical,
        ),
        // y = 2 is no point; nor is a derived address.
        (little_endian(2, 0, 0), FarthingError::KeyNotOnCurve),
        (
            Pubkey::find_program_address(&[b"escrow"], &farthing::ID).0,
            FarthingError::KeyNotOnCurve,
        ),
    ]);
    keys
}

fn from_hex(hex: &str) -> Pubkey {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hexadecimal");
    }
    Pubkey::new_from_array(bytes)
}

#[test]
fn the_owner_opens() {
    for chain in [Chain::new(), Chain::with_all_features()] {
        let mut world = World::on(chain);
        let agents = [world.chain.new_key(), world.chain.new_key()];
        let mut args = world.open_args(3, DEPOSIT, &agents);
        args.lanes[1].cap = 5;
        let channel = world.channel(&args);
        let slot = args.opened_slot;
        let open = world.open_channel(args);
        world.chain.succeed(&[open]);

        let (header, lanes) = world.channel_state(&channel.address);
        let id = 3_u64.to_le_bytes();
        let seeds = [
            CHANNEL_SEED,
            world.escrow.as_ref(),
            world.payee.as_ref(),
            &id,
        ];
        let derived = Pubkey::find_program_address(&seeds, &farthing::ID);
        assert_eq!((channel.address, header.bump), derived);
        assert_eq!(header.grace_seconds, MIN_GRACE_SECONDS);
        assert_eq!(header.channel_id, 3);
        assert_eq!(header.escrow, world.escrow.to_bytes());
        assert_eq!(header.payee, world.payee.to_bytes());
        assert_eq!(header.settler, world.settler.to_bytes());
        assert_eq!(header.rent_payer, world.rent_payer.to_bytes());
        assert_eq!(header.deposit, BaseUnits(DEPOSIT));
        assert_eq!(header.debited, BaseUnits::ZERO);
        assert_eq!(header.unpaid, BaseUnits::ZERO);
        assert!(!header.is_closing());
        assert_eq!(header.opened_slot, slot);
        assert_eq!(header.domain, channel.domain);
        assert_eq!(lanes.len(), 2);
        for (lane, agent) in lanes.iter().zip(agents) {
            assert_eq!(lane.signer, agent.to_bytes());
            assert_eq!(lane.debited, BaseUnits::ZERO);
            assert_eq!(lane.generation.0, 0);
            assert_eq!((lane.revoked.unix_timestamp, lane.revoked.slot), (NEVER, 0));
        }
        assert_eq!((lanes[0].cap.0, lanes[1].cap.0), (PREPAID, 5));

        let escrow = world.escrow_state();
        assert_eq!((escrow.allocated, escrow.open_channels), (DEPOSIT, 1));
        assert_eq!(world.vault_balance(), PREPAID);
    }
}

#[test]
fn the_manager_opens_within_its_allowance() {
    let (mut world, agent) = world();
    world.appoint(DEPOSIT + 5);
    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[approve]);
    let args = world.open_args(0, DEPOSIT, &[agent]);
    let open = open_as(&world, args, world.manager, Some(world.approval()));
    world.chain.succeed(&[open]);
    assert_eq!(world.escrow_state().manager_allowance, 5);
}

#[test]
fn the_owners_channels_do_not_use_the_allowance() {
    let (mut world, agent) = world();
    // Also when the owner is the manager.
    let set = world.set_manager(Some(world.owner), 5, 0);
    world.chain.succeed(&[set]);
    world.open(0, DEPOSIT, &[agent]);
    assert_eq!(world.escrow_state().manager_allowance, 5);
}

#[test]
fn lamports_at_the_address_do_not_prevent_it() {
    for lamports in [world().0.chain.rent(0), 1_000_000_000] {
        let (mut world, agent) = world();
        let address = world.channel_address(&world.payee, 0);
        world.chain.airdrop(&address, lamports);
        world.open(0, DEPOSIT, &[agent]);
    }
}

#[test]
fn a_payee_may_be_a_derived_address() {
    let (mut world, agent) = world();
    world.payee = Pubkey::find_program_address(&[b"treasury"], &farthing::ID).0;
    world.mint.open(&mut world.chain, &world.payee);
    let channel = world.open(0, DEPOSIT, &[agent]);
    let claims = world.claims(&channel, &[agent], 5);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 5);
}
