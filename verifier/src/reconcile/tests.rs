//! Old copies of stores, reconciled with the state of the chain after the copy was made.

use ed25519_dalek::{Signer, SigningKey};
use farthing_chain::debits::PublishedVoucher;
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::{ChannelHeader, NEVER};
use solana_sdk::signature::Signature;

use super::*;
use crate::ledger::{ChannelFacts, LaneFacts, Ledger, OutcomeLimits, Refusal, VerifiedVoucher};
use crate::ports::Moment;
use crate::record::audit::inconsistencies;
use crate::record::{
    ChannelRecord, LaneKey, LaneRecord, Record, ReservationId, ReservationRecord, StoredState,
};
use crate::store::Store;
use crate::store::memory::MemoryStore;

const DOMAIN: Domain = Domain([7; 32]);
const ADDRESS: Pubkey = Pubkey::new_from_array([9; 32]);

fn signer(generation: u16) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(generation).expect("small") + 1; 32])
}

fn key(generation: u16) -> LaneKey {
    LaneKey {
        domain: DOMAIN,
        lane: LaneIndex(0),
        generation: Generation(generation),
    }
}

fn never() -> ChainTime {
    ChainTime {
        unix_timestamp: NEVER,
        slot: u64::MAX,
    }
}

/// A channel with one lane.
fn channel(debited: u64, generation: u16) -> Channel {
    let lane = LaneState {
        signer: signer(generation).verifying_key().to_bytes(),
        cap: BaseUnits(10_000),
        debited: BaseUnits(debited),
        revoked: never(),
        generation: Generation(generation),
    };
    Channel {
        header: ChannelHeader {
            bump: 0,
            payee_token_bump: 0,
            grace_seconds: 900,
            channel_id: 0,
            escrow: [1; 32],
            payee: [2; 32],
            settler: [3; 32],
            rent_payer: [4; 32],
            deposit: BaseUnits(50_000),
            debited: BaseUnits(debited),
            unpaid: BaseUnits::ZERO,
            close_requested: never(),
            opened_slot: 5,
            domain: DOMAIN,
        },
        lanes: vec![lane],
    }
}

fn claim(generation: u16, authorized: u64, debit_to: u64) -> Debit {
    let voucher = Voucher {
        domain: DOMAIN,
        lane: LaneIndex(0),
        generation: Generation(generation),
        authorized: BaseUnits(authorized),
    };
    let signature = signer(generation).sign(&voucher.to_bytes());
    Debit {
        lane: LaneIndex(0),
        debit_to: BaseUnits(debit_to),
        voucher: Some(PublishedVoucher {
            authorized: BaseUnits(authorized),
            signature: Signature::from(signature.to_bytes()),
        }),
    }
}

fn statement(debit_to: u64) -> Debit {
    Debit {
        lane: LaneIndex(0),
        debit_to: BaseUnits(debit_to),
        voucher: None,
    }
}

/// An old copy in which the lane was charged 100 of 500 authorized in generation 0, has the used values 300 and 500,
/// and has a request in flight.
fn copy() -> MemoryStore {
    let lane = LaneRecord {
        authorized: BaseUnits(500),
        signature: Some([5; 64]),
        charged: BaseUnits(100),
        floor: BaseUnits(20),
        settled: BaseUnits(100),
    };
    let reservation = ReservationRecord {
        key: key(0),
        maximum: BaseUnits(40),
        checkpoint: BaseUnits(30),
        request: None,
        held_seconds: None,
    };
    let mut store = MemoryStore::default();
    store
        .commit(&[
            Record::Channel(DOMAIN, ADDRESS),
            Record::Lane(key(0), lane),
            Record::Used(key(0), BaseUnits(300)),
            Record::Used(key(0), BaseUnits(500)),
            Record::Reservation(ReservationId(1), reservation),
        ])
        .expect("memory does not fail");
    store
}

/// Reconciles the store, and asserts that it is consistent and no longer behind the chain.
fn reconciled(
    store: &mut MemoryStore,
    channel: &Channel,
    debits: &[Debit],
) -> (Vec<Reconciled>, StoredState) {
    let state = store.load().expect("memory loads");
    let (records, reconciled) = reconcile(&Known::of(&state), ADDRESS, channel, debits);
    store.commit(&records).expect("memory does not fail");
    let state = store.load().expect("memory loads");
    assert_eq!(inconsistencies(&state), []);
    assert_eq!(Known::of(&state).behind(channel), []);
    (reconciled, state)
}

/// The refusal of a voucher of this value by a verifier on that store, or `None` if it is accepted.
fn says(state: &StoredState, channel: &Channel, generation: u16, value: u64) -> Option<Refusal> {
    let (mut ledger, _) =
        Ledger::restore(state.clone(), OutcomeLimits::default(), Moment::default());
    let lanes = channel.lanes.iter().map(|lane| LaneFacts {
        signer: lane.signer,
        cap: lane.cap,
        debited: lane.debited,
        generation: lane.generation,
        revoked: None,
        rotating: false,
    });
    let facts = std::sync::Arc::new(ChannelFacts {
        address: ADDRESS,
        domain: DOMAIN,
        escrow: Pubkey::new_from_array([1; 32]),
        grace_seconds: 900,
        deposit: channel.header.deposit,
        debited: channel.header.debited,
        closing: false,
        gone: false,
        lanes: lanes.collect(),
    });
    assert_eq!(ledger.behind(&facts), []);
    assert_eq!(ledger.unsettled(&facts), [], "nothing is claimed twice");
    let voucher = VerifiedVoucher {
        voucher: Voucher {
            domain: DOMAIN,
            lane: LaneIndex(0),
            generation: Generation(generation),
            authorized: BaseUnits(value),
        },
        signature: [6; 64],
    };
    ledger
        .accept(&facts, &voucher, BaseUnits(10), None, Moment::default())
        .err()
}

#[test]
fn a_store_that_is_not_behind_stays_as_it_is() {
    let mut store = copy();
    for debited in [0, 99, 100] {
        let channel = channel(debited, 0);
        let before = store.load().expect("memory loads");
        let (reconciled, after) = reconciled(&mut store, &channel, &[claim(0, 500, debited)]);
        assert_eq!((reconciled.as_slice(), after), (&[][..], before));
    }
}

#[test]
fn what_was_published_is_used() {
    let mut store = copy();
    let channel = channel(250, 0);
    // The latest claim comes first; an earlier one published a higher voucher.
    let debits = [claim(0, 800, 250), claim(0, 900, 200), claim(0, 500, 100)];
    let (found, state) = reconciled(&mut store, &channel, &debits);
    let behind = LaneBehind {
        lane: LaneIndex(0),
        charged: BaseUnits(100),
        debited: BaseUnits(250),
    };
    let used_through = Some(BaseUnits(900));
    assert_eq!(
        found,
        [Reconciled {
            behind,
            used_through
        }]
    );
    assert!(is_explained(&behind, &debits));
    assert!(
        !is_explained(&behind, &debits[..2]),
        "earlier ones are missing"
    );
    assert!(
        !is_explained(&behind, &debits[1..]),
        "the last one is missing"
    );
    for value in [250, 300, 500, 800, 900] {
        assert_eq!(says(&state, &channel, 0, value), Some(Refusal::VoucherUsed));
    }
    assert_eq!(says(&state, &channel, 0, 901), None);
    let (_, lane) = state.lanes[0];
    let highest = debits[1].voucher.expect("a claim has one");
    assert_eq!(lane.authorized, BaseUnits(900));
    assert_eq!(lane.signature, Some(highest.signature.into()));
    assert_eq!((state.used.len(), state.reservations.len()), (0, 0));
}

#[test]
fn what_the_store_knows_better_stays() {
    let mut store = copy();
    let channel = channel(250, 0);
    let debits = [claim(0, 400, 250), claim(0, 400, 100)];
    let (_, state) = reconciled(&mut store, &channel, &debits);
    let (_, lane) = state.lanes[0];
    assert_eq!(
        (lane.authorized, lane.signature),
        (BaseUnits(500), Some([5; 64]))
    );
    assert_eq!(lane.floor, BaseUnits(400));
    assert_eq!(state.used, [(key(0), BaseUnits(500))]);
    assert_eq!(says(&state, &channel, 0, 500), Some(Refusal::VoucherUsed));
    assert_eq!(
        says(&state, &channel, 0, 450),
        None,
        "slack that nobody has used"
    );
}

#[test]
fn statements_publish_no_voucher() {
    let mut store = copy();
    let channel = channel(700, 0);
    let (found, state) = reconciled(&mut store, &channel, &[statement(700), claim(0, 500, 90)]);
    assert_eq!(found[0].used_through, Some(BaseUnits(700)));
    assert_eq!(says(&state, &channel, 0, 700), Some(Refusal::VoucherUsed));
    assert_eq!(says(&state, &channel, 0, 710), None);
}

#[test]
fn a_counter_that_nothing_explains_holds_the_lane() {
    for debits in [&[][..], &[claim(0, 800, 240), claim(0, 500, 100)]] {
        let mut store = copy();
        let channel = channel(250, 0);
        let (found, state) = reconciled(&mut store, &channel, debits);
        assert_eq!(found[0].used_through, None);
        for value in [251, 800, 5_000] {
            let refusal = says(&state, &channel, 0, value);
            assert_eq!(refusal, Some(Refusal::StoreBehindChain), "{value}");
        }
        // A new key has published nothing yet.
        assert_eq!(says(&state, &super::tests::channel(250, 1), 1, 300), None);
    }
}

#[test]
fn vouchers_of_earlier_generations_buy_nothing_anyway() {
    let mut store = copy();
    // The lane was debited and rotated after the copy; the published vouchers were signed with the former key.
    let rotated = channel(250, 1);
    let debits = [claim(0, 800, 250), claim(0, 500, 100)];
    let (found, state) = reconciled(&mut store, &rotated, &debits);
    assert_eq!(found[0].used_through, Some(BaseUnits(250)));
    assert_eq!(says(&state, &rotated, 1, 250), Some(Refusal::VoucherUsed));
    assert_eq!(says(&state, &rotated, 1, 260), None);
    assert_eq!(
        state.reservations,
        [],
        "their outcome is in the counter, or lost"
    );
}

#[test]
fn a_channel_that_the_store_does_not_know_can_be_taken_over() {
    let mut store = MemoryStore::default();
    let channel = channel(250, 0);
    let (found, state) = reconciled(&mut store, &channel, &[claim(0, 800, 250)]);
    assert_eq!(found[0].behind.charged, BaseUnits::ZERO);
    let known = ChannelRecord {
        domain: DOMAIN,
        address: ADDRESS,
    };
    assert_eq!(state.channels, [known]);
    assert_eq!(says(&state, &channel, 0, 800), Some(Refusal::VoucherUsed));
    assert_eq!(says(&state, &channel, 0, 810), None);
}

#[test]
fn forged_signatures_raise_nothing() {
    let mut store = copy();
    let channel = channel(250, 0);
    let mut forged = claim(0, 9_000, 240);
    forged.voucher = forged.voucher.map(|voucher| PublishedVoucher {
        signature: Signature::from([1; 64]),
        ..voucher
    });
    let debits = [claim(0, 800, 250), forged, claim(0, 500, 100)];
    let (found, _) = reconciled(&mut store, &channel, &debits);
    assert_eq!(found[0].used_through, Some(BaseUnits(800)));
}
