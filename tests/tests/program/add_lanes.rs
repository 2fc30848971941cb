//! Tests of the instruction `add_lanes`.

use farthing::error::FarthingError;
use farthing::state::NewLane;
use farthing::{AddLanesArgs, instruction as data};
use farthing_protocol::layout::{CHANNEL_HEADER_LENGTH, LANE_LENGTH};
use farthing_protocol::limits::{MAX_LANES, MAX_LANES_PER_INSTRUCTION};
use farthing_tests::program::world::{PREPAID, escrow_address, new_lanes};
use farthing_tests::program::{Channel, World, instruction};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::{DISCRIMINATOR_MISMATCH, INVALID_PROGRAM_ID, NOT_SIGNER, code};
use super::open_channel::unusable_keys;

fn world() -> (World, Channel, Pubkey) {
    let (mut world, channel, _) = World::with_channel(1_000, 1);
    let agent = world.chain.new_key();
    (world, channel, agent)
}

fn add(
    world: &World,
    channel: &Channel,
    agent: Pubkey,
    change: impl FnOnce(&mut farthing::accounts::AddLanes),
) -> Instruction {
    let mut accounts = world.add_lanes_accounts(channel);
    change(&mut accounts);
    let args = AddLanesArgs {
        lanes: new_lanes(&[agent]),
    };
    instruction(accounts, data::AddLanes { args })
}

#[test]
fn authority_and_rent_payer_must_sign() {
    let (mut world, channel, agent) = world();
    for index in 0..2 {
        let mut add = world.add_lanes(&channel, new_lanes(&[agent]));
        add.accounts[index].is_signer = false;
        assert_eq!(world.chain.refused(add), NOT_SIGNER);
    }
}

#[test]
fn only_owner_and_manager_add() {
    let (mut world, channel, agent) = world();
    for key in [world.manager, world.payee, world.settler, agent] {
        let add = add(&world, &channel, agent, |accounts| accounts.authority = key);
        assert_eq!(
            world.chain.refused(add),
            code(FarthingError::OwnerOrManagerOnly)
        );
    }
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, channel, agent) = world();
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other = escrow_address(&world.owner, &world.mint.address, 1);
    let with_escrow = add(&world, &channel, agent, |accounts| accounts.escrow = other);
    assert_eq!(
        world.chain.refused(with_escrow),
        code(FarthingError::WrongEscrow)
    );
    let stranger = world.stranger;
    let with_rent_payer = add(&world, &channel, agent, |accounts| {
        accounts.rent_payer = stranger;
    });
    assert_eq!(
        world.chain.refused(with_rent_payer),
        code(FarthingError::WrongRentPayer)
    );
    let with_channel = add(&world, &channel, agent, |accounts| {
        accounts.channel = accounts.escrow;
    });
    assert_eq!(world.chain.refused(with_channel), DISCRIMINATOR_MISMATCH);
    let with_program = add(&world, &channel, agent, |accounts| {
        accounts.system_program = farthing::ID;
    });
    assert_eq!(world.chain.refused(with_program), INVALID_PROGRAM_ID);
}

#[test]
fn a_closing_channel_does_not_grow() {
    let (mut world, channel, agent) = world();
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    let add = world.add_lanes(&channel, new_lanes(&[agent]));
    assert_eq!(
        world.chain.refused(add),
        code(FarthingError::ChannelClosing)
    );
}

#[test]
fn lanes_have_a_number() {
    let (mut world, channel, agent) = world();
    let none = world.add_lanes(&channel, Vec::new());
    assert_eq!(world.chain.refused(none), code(FarthingError::NoLanes));
    let agents = [agent; MAX_LANES_PER_INSTRUCTION + 1];
    let many = world.add_lanes(&channel, new_lanes(&agents));
    assert_eq!(world.chain.refused(many), code(FarthingError::TooManyLanes));
}

#[test]
fn a_lane_needs_a_cap_and_a_usable_key() {
    let (mut world, channel, agent) = world();
    let capless = NewLane {
        signer: agent,
        cap: 0,
    };
    let add = world.add_lanes(&channel, vec![capless]);
    assert_eq!(world.chain.refused(add), code(FarthingError::ZeroCap));
    for (signer, error) in unusable_keys() {
        let add = world.add_lanes(&channel, vec![NewLane { signer, cap: 1 }]);
        assert_eq!(world.chain.refused(add), code(error));
    }
}

#[test]
fn no_lane_is_beyond_what_a_voucher_can_number() {
    let (mut world, channel, agent) = world();
    // Reaching the limit by transactions would take two thousand of them.
    let mut account = world.chain.account(&channel.address).expect("a channel");
    let lane = account.data[CHANNEL_HEADER_LENGTH..].to_vec();
    for _ in 2..MAX_LANES {
        account.data.extend_from_slice(&lane);
    }
    account.lamports = world.chain.rent(account.data.len());
    world.chain.set_account(&channel.address, account);
    let two = world.add_lanes(&channel, new_lanes(&[agent, agent]));
    assert_eq!(world.chain.refused(two), code(FarthingError::ChannelFull));

    let one = world.add_lanes(&channel, new_lanes(&[agent]));
    world.chain.succeed(&[one]);
    let claim = world.claim(channel.domain, (u16::MAX, &agent), 5, 0);
    let settle = world.settle(&channel, vec![claim]);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 5);
    let again = world.add_lanes(&channel, new_lanes(&[agent]));
    assert_eq!(world.chain.refused(again), code(FarthingError::ChannelFull));
}

#[test]
fn the_manager_adds_and_the_rent_payer_pays() {
    let (mut world, channel, agent) = world();
    let before = world.channel_state(&channel.address);
    let lamports = world.chain.lamports(&world.rent_payer);
    world.appoint(0);
    let manager = world.manager;
    let add = add(&world, &channel, agent, |accounts| {
        accounts.authority = manager;
    });
    world.chain.succeed(&[add]);
    let (header, lanes) = world.channel_state(&channel.address);
    assert_eq!(header, before.0);
    assert_eq!(lanes[0], before.1[0]);
    assert_eq!(lanes[1].signer, agent.to_bytes());
    assert_eq!((lanes[1].cap.0, lanes[1].debited.0), (PREPAID, 0));
    let growth = world.chain.rent(LANE_LENGTH) - world.chain.rent(0);
    assert_eq!(world.chain.lamports(&world.rent_payer), lamports - growth);
}

#[test]
fn a_thousand_lanes_settle_at_the_cost_of_ten() {
    let (mut world, channel, mut agents) = World::with_channel(1_000_000, 10);
    let claims = world.claims(&channel, &agents, 10);
    let settle = world.settle(&channel, claims);
    let few = world.chain.succeed(&[settle]).compute_units_consumed;

    while agents.len() < 1_000 {
        let count = (1_000 - agents.len()).min(MAX_LANES_PER_INSTRUCTION);
        let new: Vec<_> = (0..count).map(|_| world.chain.new_key()).collect();
        let add = world.add_lanes(&channel, new_lanes(&new));
        world.chain.succeed(&[add]);
        agents.extend(new);
    }
    let claims = (990..)
        .zip(&agents[990..])
        .map(|lane| world.claim(channel.domain, lane, 10, 0))
        .collect();
    let settle = world.settle(&channel, claims);
    let many = world.chain.succeed(&[settle]).compute_units_consumed;
    assert_eq!(world.payee_balance(), 200);
    // Signatures cost a few units more or less.
    assert!(many.abs_diff(few) < few / 50, "{few} and {many}");
}
