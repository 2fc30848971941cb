//! Arbitrary states, whether or not a ledger would write them.

use std::collections::BTreeMap;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use proptest::array::uniform32;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, option};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::record::{
    ChannelRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, RequestKey, ReservationId,
    ReservationRecord, SettlementRecord, StoredState,
};

fn bytes() -> impl Strategy<Value = [u8; 32]> {
    uniform32(any::<u8>())
}

fn signature() -> impl Strategy<Value = [u8; 64]> {
    (bytes(), bytes()).prop_map(|(first, second)| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&first);
        signature[32..].copy_from_slice(&second);
        signature
    })
}

fn amount() -> impl Strategy<Value = BaseUnits> {
    any::<u64>().prop_map(BaseUnits)
}

fn lane_key() -> impl Strategy<Value = LaneKey> {
    let domain = prop_oneof![Just([3; 32]), bytes()];
    (domain, any::<u16>(), any::<u16>()).prop_map(|(domain, lane, generation)| LaneKey {
        domain: Domain(domain),
        lane: LaneIndex(lane),
        generation: Generation(generation),
    })
}

fn settlement() -> impl Strategy<Value = SettlementRecord> {
    let claims = collection::vec((any::<u16>(), any::<u16>(), amount(), amount()), 0..4);
    let transaction = collection::vec(any::<u8>(), 0..200);
    (
        signature(),
        any::<u64>(),
        transaction,
        bytes(),
        bytes(),
        claims,
    )
        .prop_map(
            |(signature, last_valid_block_height, transaction, channel, domain, claims)| {
                SettlementRecord {
                    signature: Signature::from(signature),
                    last_valid_block_height,
                    transaction,
                    channel: Pubkey::new_from_array(channel),
                    domain: Domain(domain),
                    claims: claims
                        .into_iter()
                        .map(|(lane, generation, debit_to, owed)| ClaimRecord {
                            lane: LaneIndex(lane),
                            generation: Generation(generation),
                            debit_to,
                            owed,
                        })
                        .collect(),
                }
            },
        )
}

fn request() -> impl Strategy<Value = RequestKey> {
    (bytes(), bytes()).prop_map(|(key, digest)| RequestKey { key, digest })
}

fn outcome() -> impl Strategy<Value = OutcomeRecord> {
    let amounts = (amount(), amount(), amount(), amount(), amount());
    (lane_key(), request(), amounts, any::<u64>()).prop_map(
        |(lane, request, (charged, charged_total, reserved, authorized, deposit), ended_at)| {
            OutcomeRecord {
                lane,
                request,
                charged,
                charged_total,
                reserved,
                authorized,
                deposit,
                ended_at,
                // Answers are not exported.
                answer_bytes: None,
            }
        },
    )
}

/// Anything that a store can hold.
pub(super) fn state() -> impl Strategy<Value = StoredState> {
    let lane = (
        amount(),
        option::of(signature()),
        amount(),
        amount(),
        amount(),
    )
        .prop_map(
            |(authorized, signature, charged, floor, settled)| LaneRecord {
                authorized,
                signature,
                charged,
                floor,
                settled,
            },
        );
    let held = option::of(any::<u32>());
    let reservation = (lane_key(), amount(), amount(), option::of(request()), held).prop_map(
        |(key, maximum, checkpoint, request, held_seconds)| ReservationRecord {
            key,
            maximum,
            checkpoint,
            request,
            held_seconds,
        },
    );
    (
        collection::btree_map(bytes(), bytes(), 0..4),
        collection::btree_map(lane_key(), lane, 0..6),
        collection::btree_set((lane_key(), amount()), 0..12),
        collection::btree_map(any::<u64>(), reservation, 0..6),
        collection::vec(settlement(), 0..4),
        collection::btree_map(any::<u64>(), outcome(), 0..6),
    )
        .prop_map(
            |(channels, lanes, used, reservations, settlements, outcomes)| {
                let settlements: BTreeMap<_, _> = settlements
                    .into_iter()
                    .map(|settlement| (settlement.signature, settlement))
                    .collect();
                StoredState {
                    channels: channels
                        .into_iter()
                        .map(|(domain, address)| ChannelRecord {
                            domain: Domain(domain),
                            address: Pubkey::new_from_array(address),
                        })
                        .collect(),
                    lanes: lanes.into_iter().collect(),
                    used: used.into_iter().collect(),
                    reservations: reservations
                        .into_iter()
                        .map(|(id, reservation)| (ReservationId(id), reservation))
                        .collect(),
                    settlements: settlements.into_values().collect(),
                    outcomes: outcomes
                        .into_iter()
                        .map(|(id, outcome)| (ReservationId(id), outcome))
                        .collect(),
                    is_imported: false,
                }
            },
        )
}
