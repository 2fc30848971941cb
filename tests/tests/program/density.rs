//! Tests of how much settlement fits into one transaction, and that channels of every size can be settled and closed.

use farthing::EarlierGeneration;
use farthing_protocol::BaseUnits;
use farthing_protocol::limits::{MAX_LANES, OPENED_SLOT_WINDOW};
use farthing_tests::program::density::{
    Format, Largest, PACKET, Provider, Settlement, length, write_lanes,
};
use farthing_tests::program::world::{PREPAID, new_lanes};
use farthing_tests::program::{Chain, Mint, World};
use solana_sdk::transaction::VersionedTransaction;

/// What a settlement moves the counters to, in base units.
const DEBIT_TO: u64 = 1_000_000;

/// What the runtime writes instead of all that is beyond its 10,000 bytes of logs.
const TRUNCATED: &str = "Log truncated";

/// Sends a transaction that must fit, succeed, and keep all its logs, and with them its events.
fn send(provider: &mut Provider, transaction: VersionedTransaction) {
    assert!(length(&transaction) <= PACKET);
    let meta = provider.send(transaction);
    assert!(meta.logs.iter().all(|log| log != TRUNCATED));
}

/// Sends a settlement and checks every account that it moves. No lane that it settles may have been debited
/// `debit_to` or more before.
fn settle(provider: &mut Provider, settlement: Settlement, format: Format, debit_to: u64) {
    let received = provider.world.payee_balance();
    let before = debits(provider, settlement);
    let transaction = provider.transaction(settlement, format, debit_to);
    send(provider, transaction);

    let mut paid = 0;
    let counts = settlement.lanes();
    let after = debits(provider, settlement);
    for (index, ((count, before), after)) in counts.iter().zip(before).zip(after).enumerate() {
        let (untouched, settled) = after.split_at(after.len() - count);
        assert_eq!(untouched, &before[..untouched.len()]);
        assert!(settled.iter().all(|debited| *debited == debit_to));

        let served = provider.look_at(index);
        let (header, _) = provider.world.channel_state(&served.channel.address);
        let debited: u64 = after.iter().sum();
        assert_eq!(header.debited, BaseUnits(debited));
        assert_eq!(header.unpaid, BaseUnits::ZERO);
        assert_eq!(provider.world.vault_balance(), PREPAID - debited);
        paid += debited - before.iter().sum::<u64>();
    }
    assert_eq!(provider.world.payee_balance() - received, paid);
}

/// The counters of all lanes of each channel that a settlement touches.
fn debits(provider: &mut Provider, settlement: Settlement) -> Vec<Vec<u64>> {
    (0..settlement.lanes().len())
        .map(|index| {
            let channel = provider.look_at(index).channel;
            let (_, lanes) = provider.world.channel_state(&channel.address);
            lanes.iter().map(|lane| lane.debited.0).collect()
        })
        .collect()
}

/// Serialises settlements of every size, compares the largest with what is pinned, and sends it.
fn pin(
    mut provider: Provider,
    kind: fn(usize) -> Settlement,
    format: Format,
    (count, bytes): (usize, usize),
    bytes_of_next: usize,
) {
    let expected = Largest {
        count,
        bytes,
        bytes_of_next,
    };
    assert_eq!(provider.largest(kind, format), expected);
    settle(&mut provider, kind(count), format, DEBIT_TO);
}

#[test]
fn twelve_claims_fit() {
    let provider = Provider::new(1, 13);
    let format = Format::LookupTable;
    pin(provider, Settlement::Claims, format, (12, 1_212), 1_290);
}

#[test]
fn ten_channels_fit() {
    let provider = Provider::new(11, 1);
    let format = Format::LookupTable;
    pin(provider, Settlement::Channels, format, (10, 1_217), 1_313);
}

#[test]
fn a_statement_of_eighty_eight_lanes_fits() {
    let provider = Provider::new(1, 89);
    let format = Format::LookupTable;
    pin(provider, Settlement::Statement, format, (88, 1_224), 1_234);
}

#[test]
fn ten_claims_fit_without_a_lookup_table() {
    let provider = Provider::new(1, 11);
    let format = Format::Legacy;
    pin(provider, Settlement::Claims, format, (10, 1_206), 1_284);
}

#[test]
fn four_channels_fit_without_a_lookup_table() {
    let provider = Provider::new(5, 1);
    let format = Format::Legacy;
    pin(provider, Settlement::Channels, format, (4, 1_070), 1_259);
}

#[test]
fn a_statement_of_seventy_three_lanes_fits_without_a_lookup_table() {
    let provider = Provider::new(1, 74);
    let format = Format::Legacy;
    pin(provider, Settlement::Statement, format, (73, 1_224), 1_234);
}

#[test]
fn as_much_fits_in_token_2022_which_logs_more() {
    let mut chain = Chain::new();
    let mint = Mint::create_2022(&mut chain);
    let mut provider = Provider::of_world(World::with_mint(chain, mint), 10, 12);
    let (channels, claims) = (Settlement::Channels(10), Settlement::Claims(12));
    settle(&mut provider, channels, Format::LookupTable, DEBIT_TO);
    settle(&mut provider, claims, Format::LookupTable, 2 * DEBIT_TO);
}

/// Every lane that was rotated after its statement was signed costs four bytes more.
#[test]
fn a_full_statement_has_room_for_two_rotations() {
    let mut provider = Provider::new(1, 88);
    let mut args = provider.statement(88, DEBIT_TO);
    let channel = provider.look_at(0).channel;
    for (lane, fits) in [(0, true), (1, true), (2, false)] {
        provider.world.rotate(&channel, lane);
        args.earlier.push(EarlierGeneration {
            lane,
            generation: 0,
        });
        let settle = provider.world.settle_statement(&channel, args.clone());
        let settler = provider.world.settler;
        let transaction = provider.assemble(Format::LookupTable, &settler, vec![settle]);
        assert_eq!(length(&transaction), 1_224 + 4 * args.earlier.len());
        assert_eq!(length(&transaction) <= PACKET, fits);
        if fits {
            send(&mut provider, transaction);
        }
    }
    // The first lane was rotated before the statement was used, the second one after it was.
    let settled = Settlement::Statement(88);
    let debited: Vec<u64> = debits(&mut provider, settled).concat();
    assert_eq!(debited[..2], [0, DEBIT_TO]);
    assert!(debited[1..].iter().all(|debited| *debited == DEBIT_TO));
}

#[test]
fn a_channel_of_a_thousand_lanes_can_be_settled_and_closed() {
    settle_and_close(Provider::new(1, 1_000));
}

#[test]
fn a_channel_of_the_most_lanes_can_be_settled_and_closed() {
    settle_and_close(Provider::with_written_lanes(MAX_LANES));
}

/// Settles in every way as much as fits, up to the last lane, and closes.
fn settle_and_close(mut provider: Provider) {
    let settlements = [
        (Settlement::Claims(10), Format::Legacy),
        (Settlement::Claims(12), Format::LookupTable),
        (Settlement::Statement(73), Format::Legacy),
        (Settlement::Statement(88), Format::LookupTable),
    ];
    for (round, (settlement, format)) in (1..).zip(settlements) {
        settle(&mut provider, settlement, format, round * DEBIT_TO);
    }
    let channel = provider.look_at(0).channel;
    let world = &mut provider.world;
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let rent = world.chain.lamports(&channel.address);
    let rent_payer = world.rent_payer;
    let before = world.chain.lamports(&rent_payer);
    let close = world.close_channel(&channel);
    let payee = world.payee;
    let transaction = provider.assemble(Format::Legacy, &payee, vec![close]);
    send(&mut provider, transaction);

    let world = &provider.world;
    assert!(world.chain.account(&channel.address).is_none());
    assert_eq!(world.chain.lamports(&rent_payer), before + rent);
    assert_eq!(world.escrow_state().allocated, 0);
}

#[test]
fn written_lanes_equal_added_ones() {
    let worlds = [World::new(), World::new()];
    let [added, written] = worlds.map(|mut world| {
        let agent = world.chain.new_address();
        let channel = world.open(0, PREPAID, &[agent]);
        (world, channel, agent)
    });
    let (mut world, channel, agent) = added;
    for _ in 0..2 {
        let add = world.add_lanes(&channel, new_lanes(&[agent]));
        world.chain.succeed(&[add]);
    }
    let added = world.chain.account(&channel.address);
    let (mut world, channel, _) = written;
    write_lanes(&mut world, &channel, 3);
    assert_eq!(world.chain.account(&channel.address), added);
}
