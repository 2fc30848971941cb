//! Tests of the instruction `settle_statement`.

use farthing::error::FarthingError;
use farthing::{EarlierGeneration, SettleStatementArgs, StatementClaim};
use farthing_protocol::Generation;
use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_protocol::statement::MAX_STATEMENT_ENTRIES;
use farthing_tests::program::{Channel, World};
use solana_sdk::pubkey::Pubkey;

use super::codes::{NOT_SIGNER, code};

const DEPOSIT: u64 = 1_000_000;

/// A world with a channel and a countersigner, which comes last.
fn world(lanes: usize) -> (World, Channel, Vec<Pubkey>, Pubkey) {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, lanes);
    let countersigner = world.chain.new_key();
    let set = world.set_countersigner(Some(countersigner), &[channel]);
    world.chain.succeed(&[set]);
    (world, channel, agents, countersigner)
}

/// The code that a statement over two lanes is refused with after `change`.
fn refused(change: impl FnOnce(&mut SettleStatementArgs)) -> u32 {
    let (mut world, channel, _, countersigner) = world(2);
    let mut args = world.statement(&channel, &countersigner, &[(0, 100), (1, 200)]);
    change(&mut args);
    let settle = world.settle_statement(&channel, args);
    let refused = world.chain.refused(settle);
    let (header, lanes) = world.channel_state(&channel.address);
    assert_eq!(header.debited.0, 0);
    assert!(lanes.iter().all(|lane| lane.debited.0 == 0));
    refused
}

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, _, countersigner) = world(1);
    let args = world.statement(&channel, &countersigner, &[(0, 1)]);
    let mut settle = world.settle_statement(&channel, args);
    settle.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(settle), NOT_SIGNER);
}

#[test]
fn only_settler_and_payee_settle() {
    let (mut world, channel, agents, countersigner) = world(1);
    for key in [world.owner, world.stranger, agents[0], countersigner] {
        let args = world.statement(&channel, &countersigner, &[(0, 1)]);
        let mut settle = world.settle_statement(&channel, args);
        settle.accounts[0].pubkey = key;
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::SettlerOrPayeeOnly)
        );
    }
}

#[test]
fn there_must_be_a_countersigner() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let args = world.statement(&channel, &agents[0], &[(0, 1)]);
    let settle = world.settle_statement(&channel, args);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::NoCountersigner)
    );
}

#[test]
fn a_countersigner_that_earns_is_refused() {
    // The owner named it without giving this channel.
    for earns in [|world: &World| world.payee, |world: &World| world.settler] {
        let (mut world, channel, _) = World::with_channel(DEPOSIT, 1);
        let countersigner = earns(&world);
        let set = world.set_countersigner(Some(countersigner), &[]);
        world.chain.succeed(&[set]);
        let args = world.statement(&channel, &countersigner, &[(0, 1)]);
        let settle = world.settle_statement(&channel, args);
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::CountersignerEarns)
        );
    }
}

#[test]
fn entries_have_a_number() {
    let none = refused(|args| args.entries.clear());
    assert_eq!(none, code(FarthingError::NoEntries));
    let many = refused(|args| {
        args.entries = vec![args.entries[0].clone(); MAX_STATEMENT_ENTRIES + 1];
    });
    // The data would not fit a transaction unless entries repeat; the number is checked first.
    assert_eq!(many, code(FarthingError::TooManyEntries));
}

#[test]
fn lanes_ascend_strictly() {
    let descending = refused(|args| args.entries.reverse());
    assert_eq!(descending, code(FarthingError::LanesNotAscending));
    let twice = refused(|args| args.entries[1].lane = 0);
    assert_eq!(twice, code(FarthingError::LanesNotAscending));
}

#[test]
fn the_lane_must_exist() {
    for lane in [2, u16::MAX] {
        let unknown = refused(|args| args.entries[1].lane = lane);
        assert_eq!(unknown, code(FarthingError::UnknownLane));
    }
}

#[test]
fn whatever_was_not_signed_is_refused() {
    let changes: [fn(&mut SettleStatementArgs); 5] = [
        |args| args.signature[0] ^= 1,
        |args| args.signature[63] ^= 0x80,
        |args| args.signature = [0; 64],
        |args| args.entries[0].debit_to += 1,
        |args| args.entries.truncate(1),
    ];
    for change in changes {
        assert_eq!(refused(change), code(FarthingError::StatementNotSigned));
    }
}

#[test]
fn only_the_countersigner_of_this_moment_signs() {
    let (mut world, channel, agents, countersigner) = world(1);
    for signer in [world.owner, agents[0]] {
        let args = world.statement(&channel, &signer, &[(0, 100)]);
        let settle = world.settle_statement(&channel, args);
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::StatementNotSigned)
        );
    }
    let args = world.statement(&channel, &countersigner, &[(0, 100)]);
    let replaced = world.chain.new_key();
    let set = world.set_countersigner(Some(replaced), &[channel]);
    world.chain.succeed(&[set]);
    let settle = world.settle_statement(&channel, args);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::StatementNotSigned)
    );
}

#[test]
fn a_statement_of_another_channel_is_refused() {
    let (mut world, channel, agents, countersigner) = world(1);
    let other = world.open(1, 1_000, &agents);
    let args = world.statement(&other, &countersigner, &[(0, 100)]);
    let settle = world.settle_statement(&channel, args);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::StatementNotSigned)
    );
}

#[test]
fn caps_and_deposit_bound_the_countersigner() {
    let (mut world, _, agents, countersigner) = world(1);
    let mut args = world.open_args(1, 1_000, &agents);
    args.lanes[0].cap = 1_001;
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);
    for (total, error) in [
        (1_002, FarthingError::CapExceeded),
        (1_001, FarthingError::DepositExceeded),
    ] {
        let args = world.statement(&channel, &countersigner, &[(0, total)]);
        let settle = world.settle_statement(&channel, args);
        assert_eq!(world.chain.refused(settle), code(error));
    }
    let args = world.statement(&channel, &countersigner, &[(0, 1_000)]);
    let settle = world.settle_statement(&channel, args);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 1_000);
}

#[test]
fn many_lanes_are_debited_by_one_signature() {
    let (mut world, channel, agents, countersigner) = world(3);
    let args = world.statement(&channel, &countersigner, &[(0, 10), (2, 30)]);
    let settle = world.settle_statement(&channel, args);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 40);
    let (header, lanes) = world.channel_state(&channel.address);
    let debited: Vec<u64> = lanes.iter().map(|lane| lane.debited.0).collect();
    assert_eq!((header.debited.0, debited), (40, vec![10, 0, 30]));
    assert_eq!(world.escrow_state().allocated, DEPOSIT - 40);

    // Vouchers and statements move the same counters. The payee may settle as well.
    let claims = world.claims(&channel, &agents, 20);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 70);
    let args = world.statement(&channel, &countersigner, &[(0, 15), (1, 25), (2, 35)]);
    let mut settle = world.settle_statement(&channel, args);
    settle.accounts[0].pubkey = world.payee;
    world.chain.succeed(std::slice::from_ref(&settle));
    // The first entry was stale and stranded no other.
    assert_eq!(world.payee_balance(), 80);
    // Sent again it changes nothing.
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 80);
}

#[test]
fn a_statement_settles_until_the_channel_is_closed() {
    let (mut world, channel, _, countersigner) = world(1);
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    world.chain.pass(1_000_000, 1_000_000);
    let args = world.statement(&channel, &countersigner, &[(0, 10)]);
    let settle = world.settle_statement(&channel, args);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 10);
}

#[test]
fn a_revoked_lane_is_skipped() {
    let (mut world, channel, _, countersigner) = world(2);
    let args = world.statement(&channel, &countersigner, &[(0, 10), (1, 20)]);
    let revoke = world.revoke_lane(&channel, 0);
    world.chain.succeed(&[revoke]);
    let grace = u64::from(MIN_GRACE_SECONDS);
    world.chain.pass(i64::from(MIN_GRACE_SECONDS), grace);
    let settle = world.settle_statement(&channel, args);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 20);
}

#[test]
fn a_rotated_lane_strands_no_other() {
    let (mut world, channel, _, countersigner) = world(2);
    let mut args = world.statement(&channel, &countersigner, &[(0, 10), (1, 20)]);
    world.rotate(&channel, 0);
    let settle = world.settle_statement(&channel, args.clone());
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::StatementNotSigned)
    );
    args.earlier = vec![EarlierGeneration {
        lane: 0,
        generation: 0,
    }];
    let settle = world.settle_statement(&channel, args);
    world.chain.succeed(&[settle]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!((lanes[0].debited.0, lanes[1].debited.0), (0, 20));
    assert_eq!(lanes[0].generation, Generation(1));
}

#[test]
fn earlier_generations_are_earlier_and_have_an_entry() {
    let earlier = |lane, generation| EarlierGeneration { lane, generation };
    let present = refused(|args| args.earlier = vec![earlier(0, 0)]);
    assert_eq!(present, code(FarthingError::GenerationNotEarlier));
    let later = refused(|args| args.earlier = vec![earlier(1, 1)]);
    assert_eq!(later, code(FarthingError::GenerationNotEarlier));
    let twice = refused(|args| args.earlier = vec![earlier(0, 0), earlier(0, 0)]);
    assert_eq!(twice, code(FarthingError::LanesNotAscending));

    let (mut world, channel, _, countersigner) = world(3);
    let mut args = world.statement(&channel, &countersigner, &[(1, 20)]);
    world.rotate(&channel, 0);
    for lane in [0, 2, u16::MAX] {
        args.earlier = vec![earlier(lane, 0)];
        let settle = world.settle_statement(&channel, args.clone());
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::GenerationWithoutEntry)
        );
    }
}

#[test]
fn a_statement_of_an_earlier_channel_at_the_address_is_worthless() {
    let (mut world, channel, agents, countersigner) = world(1);
    let old = world.statement(&channel, &countersigner, &[(0, 100)]);
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
    let reopened = world.open(0, DEPOSIT, &agents);
    assert_eq!(reopened.address, channel.address);
    let settle = world.settle_statement(&reopened, old);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::StatementNotSigned)
    );
}

#[test]
fn data_that_is_no_whole_statement_is_refused() {
    let (mut world, channel, _, countersigner) = world(1);
    let mut args = world.statement(&channel, &countersigner, &[(0, 1)]);
    args.entries.push(StatementClaim {
        lane: 1,
        debit_to: 1,
    });
    let mut settle = world.settle_statement(&channel, args);
    settle.data.pop();
    // Anchor's `InstructionDidNotDeserialize`.
    assert_eq!(world.chain.refused(settle), 102);
}
