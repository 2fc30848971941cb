//! Bytes of keys and values, independent of the database.
//!
//! Keys are big-endian, so that a database orders them as numbers. A value is one byte of version
//! and then the borsh encoding of that version's struct in this file; such a struct never changes
//! once released, a new version is a new struct.

use borsh::{BorshDeserialize, BorshSerialize};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::StoreError;
use super::record::{ChannelRecord, ClaimRecord, LaneRecord, ReservationRecord, SettlementRecord};
use crate::ledger::LaneKey;

const VERSION_1: u8 = 1;

/// domain[32], lane u16 BE, generation u16 BE
pub(super) const LANE_KEY_LENGTH: usize = 36;
/// A lane key and the value as u64 BE.
pub(super) const USED_KEY_LENGTH: usize = LANE_KEY_LENGTH + 8;

/// Value of a key that says everything.
pub(super) const MARK: [u8; 1] = [VERSION_1];

#[derive(BorshSerialize, BorshDeserialize)]
struct LaneV1 {
    authorized: u64,
    signature: Option<[u8; 64]>,
    charged: u64,
    floor: u64,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ReservationV1 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
    maximum: u64,
    checkpoint: u64,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct SettlementV1 {
    last_valid_block_height: u64,
    transaction: Vec<u8>,
    channel: [u8; 32],
    domain: [u8; 32],
    claims: Vec<ClaimV1>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ClaimV1 {
    lane: u16,
    generation: u16,
    debit_to: u64,
    owed: u64,
}

fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION_1];
    value
        .serialize(&mut bytes)
        .expect("writing to a vector cannot fail");
    bytes
}

fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let unreadable = |reason: String| StoreError::Unreadable { what, reason };
    match bytes.split_first() {
        Some((&VERSION_1, value)) => {
            T::try_from_slice(value).map_err(|error| unreadable(error.to_string()))
        }
        Some((version, _)) => Err(unreadable(format!("version {version} is not known"))),
        None => Err(unreadable("it is empty".to_owned())),
    }
}

fn unreadable_key(what: &'static str) -> StoreError {
    StoreError::Unreadable {
        what,
        reason: "its key has the wrong length".to_owned(),
    }
}

pub(super) fn lane_key(key: LaneKey) -> [u8; LANE_KEY_LENGTH] {
    let mut bytes = [0; LANE_KEY_LENGTH];
    bytes[..32].copy_from_slice(&key.domain.0);
    bytes[32..34].copy_from_slice(&key.lane.0.to_be_bytes());
    bytes[34..].copy_from_slice(&key.generation.0.to_be_bytes());
    bytes
}

pub(super) fn read_lane_key(bytes: &[u8]) -> Result<LaneKey, StoreError> {
    let (domain, rest) = bytes
        .split_first_chunk::<32>()
        .ok_or_else(|| unreadable_key("lane"))?;
    match rest {
        &[lane0, lane1, generation0, generation1] => Ok(LaneKey {
            domain: Domain(*domain),
            lane: LaneIndex(u16::from_be_bytes([lane0, lane1])),
            generation: Generation(u16::from_be_bytes([generation0, generation1])),
        }),
        _ => Err(unreadable_key("lane")),
    }
}

pub(super) fn used_key(key: LaneKey, value: BaseUnits) -> [u8; USED_KEY_LENGTH] {
    let mut bytes = [0; USED_KEY_LENGTH];
    bytes[..LANE_KEY_LENGTH].copy_from_slice(&lane_key(key));
    bytes[LANE_KEY_LENGTH..].copy_from_slice(&value.0.to_be_bytes());
    bytes
}

pub(super) fn read_used(key: &[u8], mark: &[u8]) -> Result<(LaneKey, BaseUnits), StoreError> {
    let _: () = decode("used value", mark)?;
    let (key, value) = key
        .split_last_chunk::<8>()
        .ok_or_else(|| unreadable_key("used value"))?;
    Ok((read_lane_key(key)?, BaseUnits(u64::from_be_bytes(*value))))
}

pub(super) fn lane(record: &LaneRecord) -> Vec<u8> {
    encode(&LaneV1 {
        authorized: record.authorized.0,
        signature: record.signature,
        charged: record.charged.0,
        floor: record.floor.0,
    })
}

pub(super) fn read_lane(bytes: &[u8]) -> Result<LaneRecord, StoreError> {
    let lane: LaneV1 = decode("lane", bytes)?;
    Ok(LaneRecord {
        authorized: BaseUnits(lane.authorized),
        signature: lane.signature,
        charged: BaseUnits(lane.charged),
        floor: BaseUnits(lane.floor),
    })
}

pub(super) fn address(address: &Pubkey) -> Vec<u8> {
    encode(&address.to_bytes())
}

pub(super) fn read_channel(key: &[u8], bytes: &[u8]) -> Result<ChannelRecord, StoreError> {
    let address = decode("channel", bytes).map(Pubkey::new_from_array)?;
    let domain = <[u8; 32]>::try_from(key).map_err(|_| unreadable_key("channel"))?;
    Ok(ChannelRecord {
        domain: Domain(domain),
        address,
    })
}

pub(super) fn reservation(record: &ReservationRecord) -> Vec<u8> {
    encode(&ReservationV1 {
        domain: record.key.domain.0,
        lane: record.key.lane.0,
        generation: record.key.generation.0,
        maximum: record.maximum.0,
        checkpoint: record.checkpoint.0,
    })
}

pub(super) fn read_reservation(bytes: &[u8]) -> Result<ReservationRecord, StoreError> {
    let reservation: ReservationV1 = decode("reservation", bytes)?;
    Ok(ReservationRecord {
        key: LaneKey {
            domain: Domain(reservation.domain),
            lane: LaneIndex(reservation.lane),
            generation: Generation(reservation.generation),
        },
        maximum: BaseUnits(reservation.maximum),
        checkpoint: BaseUnits(reservation.checkpoint),
    })
}

pub(super) fn settlement(record: &SettlementRecord) -> Vec<u8> {
    let claims = record.claims.iter().map(|claim| ClaimV1 {
        lane: claim.lane.0,
        generation: claim.generation.0,
        debit_to: claim.debit_to.0,
        owed: claim.owed.0,
    });
    encode(&SettlementV1 {
        last_valid_block_height: record.last_valid_block_height,
        transaction: record.transaction.clone(),
        channel: record.channel.to_bytes(),
        domain: record.domain.0,
        claims: claims.collect(),
    })
}

pub(super) fn read_settlement(key: &[u8], bytes: &[u8]) -> Result<SettlementRecord, StoreError> {
    let signature = Signature::try_from(key).map_err(|_| unreadable_key("settlement"))?;
    let settlement: SettlementV1 = decode("settlement", bytes)?;
    let claims = settlement.claims.into_iter().map(|claim| ClaimRecord {
        lane: LaneIndex(claim.lane),
        generation: Generation(claim.generation),
        debit_to: BaseUnits(claim.debit_to),
        owed: BaseUnits(claim.owed),
    });
    Ok(SettlementRecord {
        signature,
        last_valid_block_height: settlement.last_valid_block_height,
        transaction: settlement.transaction,
        channel: Pubkey::new_from_array(settlement.channel),
        domain: Domain(settlement.domain),
        claims: claims.collect(),
    })
}
