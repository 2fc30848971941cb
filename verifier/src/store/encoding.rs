//! Encoding of keys and values as bytes, independent of the database.
//!
//! Keys are big-endian, so that a database orders them as numbers. A value is one byte of version and then the borsh
//! encoding of that version's struct in this file. A released struct never changes; a new version is a new struct.

use borsh::{BorshDeserialize, BorshSerialize};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::StoreError;
use crate::record::{
    AnswerRecord, ChannelRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, ReceiptRecord,
    Record, RequestKey, ReservationRecord, SettlementRecord,
};

/// Initial capacity for an encoded value, in bytes; most values are not longer.
const LENGTH_OF_MOST: usize = 256;

const VERSION_1: u8 = 1;
const VERSION_2: u8 = 2;
const VERSION_3: u8 = 3;

/// Length of a lane key: `domain[32]`, lane as u16 BE, generation as u16 BE.
pub(super) const LANE_KEY_LENGTH: usize = 36;
/// Length of the key of a used value: a lane key and the value as u64 BE.
pub(super) const USED_KEY_LENGTH: usize = LANE_KEY_LENGTH + 8;

/// The value of an entry whose key is all of its content.
pub(super) const MARK: [u8; 1] = [VERSION_1];

#[derive(BorshSerialize, BorshDeserialize)]
struct LaneV1 {
    authorized: u64,
    signature: Option<[u8; 64]>,
    charged: u64,
    floor: u64,
}

/// A lane's counters, including the settled amount, which [`LaneV1`] lacks.
#[derive(BorshSerialize, BorshDeserialize)]
struct CountersV1 {
    authorized: u64,
    signature: Option<[u8; 64]>,
    charged: u64,
    floor: u64,
    settled: u64,
}

/// A lane with its used values. With [`LaneV1`] they were in a separate table.
#[derive(BorshSerialize, BorshDeserialize)]
struct LaneV2 {
    counters: CountersV1,
    used: Vec<u64>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ReservationV1 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
    maximum: u64,
    checkpoint: u64,
}

/// [`ReservationV1`] with the idempotency key of the request.
#[derive(BorshSerialize, BorshDeserialize)]
struct ReservationV2 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
    maximum: u64,
    checkpoint: u64,
    request: Option<RequestV1>,
}

/// [`ReservationV2`] with the time for which the reservation is held.
#[derive(BorshSerialize, BorshDeserialize)]
struct ReservationV3 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
    maximum: u64,
    checkpoint: u64,
    request: Option<RequestV1>,
    held_seconds: Option<u32>,
}

impl From<ReservationV1> for ReservationV3 {
    fn from(old: ReservationV1) -> Self {
        Self {
            domain: old.domain,
            lane: old.lane,
            generation: old.generation,
            maximum: old.maximum,
            checkpoint: old.checkpoint,
            request: None,
            held_seconds: None,
        }
    }
}

impl From<ReservationV2> for ReservationV3 {
    fn from(old: ReservationV2) -> Self {
        Self {
            domain: old.domain,
            lane: old.lane,
            generation: old.generation,
            maximum: old.maximum,
            checkpoint: old.checkpoint,
            request: old.request,
            held_seconds: None,
        }
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct RequestV1 {
    key: [u8; 32],
    digest: [u8; 32],
}

#[derive(BorshSerialize, BorshDeserialize)]
struct OutcomeV1 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
    request: RequestV1,
    charged: u64,
    charged_total: u64,
    reserved: u64,
    authorized: u64,
    deposit: u64,
    ended_at: u64,
    answer_bytes: Option<u32>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct AnswerV1 {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    is_whole: bool,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ReceiptV1 {
    issued_at: u64,
    sold: String,
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

/// A change of a lane or a used value; an entry of the journal is a list of changes.
#[derive(BorshSerialize, BorshDeserialize)]
enum ChangeV1 {
    Lane(LaneKeyV1, CountersV1),
    LaneForgotten(LaneKeyV1),
    Used(LaneKeyV1, u64),
    Forgotten(LaneKeyV1, u64),
}

#[derive(BorshSerialize, BorshDeserialize)]
struct LaneKeyV1 {
    domain: [u8; 32],
    lane: u16,
    generation: u16,
}

fn encode<T: BorshSerialize>(version: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH_OF_MOST);
    bytes.push(version);
    value
        .serialize(&mut bytes)
        .expect("writing to a vector cannot fail");
    bytes
}

fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    match version(what, bytes)? {
        (VERSION_1, value) => read(what, value),
        (version, _) => Err(unknown_version(what, version)),
    }
}

fn version<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(u8, &'a [u8]), StoreError> {
    match bytes.split_first() {
        Some((version, value)) => Ok((*version, value)),
        None => Err(StoreError::Unreadable {
            what,
            reason: "it is empty".to_owned(),
        }),
    }
}

fn read<T: BorshDeserialize>(what: &'static str, value: &[u8]) -> Result<T, StoreError> {
    T::try_from_slice(value).map_err(|error| StoreError::Unreadable {
        what,
        reason: error.to_string(),
    })
}

fn unknown_version(what: &'static str, version: u8) -> StoreError {
    StoreError::Unreadable {
        what,
        reason: format!("version {version} is not known"),
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

/// Reads a mark, whose key must be `expected`.
pub(super) fn read_mark(key: &[u8], mark: &[u8], expected: &[u8]) -> Result<(), StoreError> {
    let _: () = decode("mark", mark)?;
    if key == expected {
        return Ok(());
    }
    Err(StoreError::Unreadable {
        what: "mark",
        reason: "it is not known".to_owned(),
    })
}

/// Encodes a lane with its used values, which are ascending.
pub(super) fn lane(record: &LaneRecord, used: &[BaseUnits]) -> Vec<u8> {
    let lane = LaneV2 {
        counters: record.into(),
        used: used.iter().map(|value| value.0).collect(),
    };
    encode(VERSION_2, &lane)
}

impl From<&LaneRecord> for CountersV1 {
    fn from(record: &LaneRecord) -> Self {
        Self {
            authorized: record.authorized.0,
            signature: record.signature,
            charged: record.charged.0,
            floor: record.floor.0,
            settled: record.settled.0,
        }
    }
}

impl From<CountersV1> for LaneRecord {
    fn from(lane: CountersV1) -> Self {
        Self {
            authorized: BaseUnits(lane.authorized),
            signature: lane.signature,
            charged: BaseUnits(lane.charged),
            floor: BaseUnits(lane.floor),
            settled: BaseUnits(lane.settled),
        }
    }
}

/// Decodes a lane with its used values, or with `None` if they are still in their own table.
pub(super) fn read_lane(bytes: &[u8]) -> Result<(LaneRecord, Option<Vec<BaseUnits>>), StoreError> {
    const WHAT: &str = "lane";
    match version(WHAT, bytes)? {
        (VERSION_1, value) => {
            let old: LaneV1 = read(WHAT, value)?;
            let counters = CountersV1 {
                authorized: old.authorized,
                signature: old.signature,
                charged: old.charged,
                floor: old.floor,
                settled: 0,
            };
            Ok((counters.into(), None))
        }
        (VERSION_2, value) => {
            let LaneV2 { counters, used } = read(WHAT, value)?;
            let used = used.into_iter().map(BaseUnits).collect();
            Ok((counters.into(), Some(used)))
        }
        (version, _) => Err(unknown_version(WHAT, version)),
    }
}

pub(super) fn address(address: &Pubkey) -> Vec<u8> {
    encode(VERSION_1, &address.to_bytes())
}

pub(super) fn read_channel(key: &[u8], bytes: &[u8]) -> Result<ChannelRecord, StoreError> {
    let address = decode("channel", bytes).map(Pubkey::new_from_array)?;
    let domain = <[u8; 32]>::try_from(key).map_err(|_| unreadable_key("channel"))?;
    Ok(ChannelRecord {
        domain: Domain(domain),
        address,
    })
}

fn lane_of(domain: [u8; 32], lane: u16, generation: u16) -> LaneKey {
    LaneKey {
        domain: Domain(domain),
        lane: LaneIndex(lane),
        generation: Generation(generation),
    }
}

impl From<RequestKey> for RequestV1 {
    fn from(RequestKey { key, digest }: RequestKey) -> Self {
        Self { key, digest }
    }
}

impl From<RequestV1> for RequestKey {
    fn from(RequestV1 { key, digest }: RequestV1) -> Self {
        Self { key, digest }
    }
}

pub(super) fn reservation(record: &ReservationRecord) -> Vec<u8> {
    let reservation = ReservationV3 {
        domain: record.key.domain.0,
        lane: record.key.lane.0,
        generation: record.key.generation.0,
        maximum: record.maximum.0,
        checkpoint: record.checkpoint.0,
        request: record.request.map(RequestV1::from),
        held_seconds: record.held_seconds,
    };
    encode(VERSION_3, &reservation)
}

pub(super) fn read_reservation(bytes: &[u8]) -> Result<ReservationRecord, StoreError> {
    const WHAT: &str = "reservation";
    let reservation: ReservationV3 = match version(WHAT, bytes)? {
        (VERSION_1, value) => read::<ReservationV1>(WHAT, value)?.into(),
        (VERSION_2, value) => read::<ReservationV2>(WHAT, value)?.into(),
        (VERSION_3, value) => read(WHAT, value)?,
        (version, _) => return Err(unknown_version(WHAT, version)),
    };
    let key = lane_of(reservation.domain, reservation.lane, reservation.generation);
    Ok(ReservationRecord {
        key,
        maximum: BaseUnits(reservation.maximum),
        checkpoint: BaseUnits(reservation.checkpoint),
        request: reservation.request.map(RequestKey::from),
        held_seconds: reservation.held_seconds,
    })
}

pub(super) fn outcome(record: &OutcomeRecord) -> Vec<u8> {
    let outcome = OutcomeV1 {
        domain: record.lane.domain.0,
        lane: record.lane.lane.0,
        generation: record.lane.generation.0,
        request: record.request.into(),
        charged: record.charged.0,
        charged_total: record.charged_total.0,
        reserved: record.reserved.0,
        authorized: record.authorized.0,
        deposit: record.deposit.0,
        ended_at: record.ended_at,
        answer_bytes: record.answer_bytes,
    };
    encode(VERSION_1, &outcome)
}

pub(super) fn read_outcome(bytes: &[u8]) -> Result<OutcomeRecord, StoreError> {
    let outcome: OutcomeV1 = decode("outcome", bytes)?;
    Ok(OutcomeRecord {
        lane: lane_of(outcome.domain, outcome.lane, outcome.generation),
        request: outcome.request.into(),
        charged: BaseUnits(outcome.charged),
        charged_total: BaseUnits(outcome.charged_total),
        reserved: BaseUnits(outcome.reserved),
        authorized: BaseUnits(outcome.authorized),
        deposit: BaseUnits(outcome.deposit),
        ended_at: outcome.ended_at,
        answer_bytes: outcome.answer_bytes,
    })
}

pub(super) fn answer(record: &AnswerRecord) -> Vec<u8> {
    let answer = AnswerV1 {
        status: record.status,
        headers: record.headers.clone(),
        body: record.body.clone(),
        is_whole: record.is_whole,
    };
    encode(VERSION_1, &answer)
}

pub(super) fn read_answer(bytes: &[u8]) -> Result<AnswerRecord, StoreError> {
    let answer: AnswerV1 = decode("answer", bytes)?;
    Ok(AnswerRecord {
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
        is_whole: answer.is_whole,
    })
}

pub(super) fn receipt(record: &ReceiptRecord) -> Vec<u8> {
    let receipt = ReceiptV1 {
        issued_at: record.issued_at,
        sold: record.sold.clone(),
    };
    encode(VERSION_1, &receipt)
}

pub(super) fn read_receipt(bytes: &[u8]) -> Result<ReceiptRecord, StoreError> {
    let receipt: ReceiptV1 = decode("receipt", bytes)?;
    Ok(ReceiptRecord {
        issued_at: receipt.issued_at,
        sold: receipt.sold,
    })
}

pub(super) fn settlement(record: &SettlementRecord) -> Vec<u8> {
    let claims = record.claims.iter().map(|claim| ClaimV1 {
        lane: claim.lane.0,
        generation: claim.generation.0,
        debit_to: claim.debit_to.0,
        owed: claim.owed.0,
    });
    encode(
        VERSION_1,
        &SettlementV1 {
            last_valid_block_height: record.last_valid_block_height,
            transaction: record.transaction.clone(),
            channel: record.channel.to_bytes(),
            domain: record.domain.0,
            claims: claims.collect(),
        },
    )
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

impl From<LaneKey> for LaneKeyV1 {
    fn from(key: LaneKey) -> Self {
        Self {
            domain: key.domain.0,
            lane: key.lane.0,
            generation: key.generation.0,
        }
    }
}

impl From<LaneKeyV1> for LaneKey {
    fn from(key: LaneKeyV1) -> Self {
        lane_of(key.domain, key.lane, key.generation)
    }
}

/// Encodes the changes of lanes and used values into `entry`, and returns how many there are. Other records are left
/// out.
pub(super) fn changes(records: &[Record], entry: &mut Vec<u8>) -> u32 {
    entry.clear();
    entry.push(VERSION_2);
    // A list in borsh begins with its length, which is written at the end.
    let length = entry.len()..entry.len() + size_of::<u32>();
    entry.resize(length.end, 0);
    let mut count = 0_u32;
    for record in records {
        let change = match record {
            Record::Lane(key, record) => ChangeV1::Lane((*key).into(), record.into()),
            Record::LaneForgotten(key) => ChangeV1::LaneForgotten((*key).into()),
            Record::Used(key, value) => ChangeV1::Used((*key).into(), value.0),
            Record::Forgotten(key, value) => ChangeV1::Forgotten((*key).into(), value.0),
            _ => continue,
        };
        change
            .serialize(entry)
            .expect("writing to a vector cannot fail");
        count += 1;
    }
    entry[length].copy_from_slice(&count.to_le_bytes());
    count
}

pub(super) fn read_changes(bytes: &[u8]) -> Result<Vec<Record>, StoreError> {
    const WHAT: &str = "journal entry";
    // Version 1 was never released.
    let changes: Vec<ChangeV1> = match version(WHAT, bytes)? {
        (VERSION_2, value) => read(WHAT, value)?,
        (version, _) => return Err(unknown_version(WHAT, version)),
    };
    let records = changes.into_iter().map(|change| match change {
        ChangeV1::Lane(key, lane) => Record::Lane(key.into(), lane.into()),
        ChangeV1::LaneForgotten(key) => Record::LaneForgotten(key.into()),
        ChangeV1::Used(key, value) => Record::Used(key.into(), BaseUnits(value)),
        ChangeV1::Forgotten(key, value) => Record::Forgotten(key.into(), BaseUnits(value)),
    });
    Ok(records.collect())
}
