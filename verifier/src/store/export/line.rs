//! The lines of an export. The shape of a released version never changes; a change needs a new version. Fields that
//! older versions do not have are optional here, so that the same types read all versions.

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::Counts;
use crate::record::{
    ChannelRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, RequestKey, ReservationId,
    ReservationRecord, SettlementRecord, StoredState,
};
use crate::store::encoding;

/// The fields of the first line that identify an export, in every version.
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) format: String,
    pub(super) version: u32,
}

/// The first line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) counts: Counts,
}

/// Every line after the first. The order of the variants is the order of the lines.
#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Channel(ChannelLine),
    Lane(LaneLine),
    Used(UsedLine),
    Reservation(ReservationLine),
    Settlement(SettlementLine),
    Outcome(OutcomeLine),
    /// The last one: the hash of all bytes before it.
    Sha256(#[serde_as(as = "DisplayFromStr")] Hash),
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelLine {
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    #[serde_as(as = "DisplayFromStr")]
    channel: Pubkey,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LaneLine {
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    lane: u16,
    generation: u16,
    #[serde_as(as = "DisplayFromStr")]
    authorized: BaseUnits,
    #[serde_as(as = "Option<DisplayFromStr>")]
    signature: Option<Signature>,
    #[serde_as(as = "DisplayFromStr")]
    charged: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    floor: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    #[serde(default)]
    settled: BaseUnits,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsedLine {
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    lane: u16,
    generation: u16,
    #[serde_as(as = "DisplayFromStr")]
    value: BaseUnits,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservationLine {
    id: u64,
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    lane: u16,
    generation: u16,
    #[serde_as(as = "DisplayFromStr")]
    maximum: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    checkpoint: BaseUnits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_seconds: Option<u32>,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    #[serde_as(as = "DisplayFromStr")]
    key: Hash,
    #[serde_as(as = "DisplayFromStr")]
    digest: Hash,
}

/// An outcome without its answer, which is not exported because it is not part of the accounting.
#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeLine {
    id: u64,
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    lane: u16,
    generation: u16,
    request: RequestLine,
    #[serde_as(as = "DisplayFromStr")]
    charged: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    charged_total: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    reserved: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    authorized: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    deposit: BaseUnits,
    ended_at_seconds: u64,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettlementLine {
    #[serde_as(as = "DisplayFromStr")]
    signature: Signature,
    last_valid_block_height: u64,
    #[serde(with = "base64_text")]
    transaction: Vec<u8>,
    #[serde_as(as = "DisplayFromStr")]
    channel: Pubkey,
    #[serde_as(as = "DisplayFromStr")]
    domain: Pubkey,
    claims: Vec<ClaimLine>,
}

#[serde_as]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimLine {
    lane: u16,
    generation: u16,
    #[serde_as(as = "DisplayFromStr")]
    debit_to: BaseUnits,
    #[serde_as(as = "DisplayFromStr")]
    owed: BaseUnits,
}

/// Bytes as base64 text.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// The records of a state as lines, in their order.
pub(super) fn lines(state: &StoredState) -> impl Iterator<Item = Line> {
    let channels = state.channels.iter().map(|record| {
        Line::Channel(ChannelLine {
            domain: base58(record.domain),
            channel: record.address,
        })
    });
    let lanes = state.lanes.iter().map(|(key, lane)| {
        Line::Lane(LaneLine {
            domain: base58(key.domain),
            lane: key.lane.0,
            generation: key.generation.0,
            authorized: lane.authorized,
            signature: lane.signature.map(Signature::from),
            charged: lane.charged,
            floor: lane.floor,
            settled: lane.settled,
        })
    });
    let used = state.used.iter().map(|(key, value)| {
        Line::Used(UsedLine {
            domain: base58(key.domain),
            lane: key.lane.0,
            generation: key.generation.0,
            value: *value,
        })
    });
    let reservations = state.reservations.iter().map(|(id, record)| {
        Line::Reservation(ReservationLine {
            id: id.0,
            domain: base58(record.key.domain),
            lane: record.key.lane.0,
            generation: record.key.generation.0,
            maximum: record.maximum,
            checkpoint: record.checkpoint,
            request: record.request.map(RequestLine::from),
            held_seconds: record.held_seconds,
        })
    });
    let settlements = state.settlements.iter().map(settlement);
    let outcomes = state.outcomes.iter().map(|(id, record)| {
        Line::Outcome(OutcomeLine {
            id: id.0,
            domain: base58(record.lane.domain),
            lane: record.lane.lane.0,
            generation: record.lane.generation.0,
            request: record.request.into(),
            charged: record.charged,
            charged_total: record.charged_total,
            reserved: record.reserved,
            authorized: record.authorized,
            deposit: record.deposit,
            ended_at_seconds: record.ended_at,
        })
    });
    channels
        .chain(lanes)
        .chain(used)
        .chain(reservations)
        .chain(settlements)
        .chain(outcomes)
}

fn settlement(record: &SettlementRecord) -> Line {
    let claims = record.claims.iter().map(|claim| ClaimLine {
        lane: claim.lane.0,
        generation: claim.generation.0,
        debit_to: claim.debit_to,
        owed: claim.owed,
    });
    Line::Settlement(SettlementLine {
        signature: record.signature,
        last_valid_block_height: record.last_valid_block_height,
        transaction: record.transaction.clone(),
        channel: record.channel,
        domain: base58(record.domain),
        claims: claims.collect(),
    })
}

/// A domain as an address, so that it is written in base58.
fn base58(domain: Domain) -> Pubkey {
    Pubkey::new_from_array(domain.0)
}

fn lane_key(domain: &Pubkey, lane: u16, generation: u16) -> LaneKey {
    LaneKey {
        domain: Domain(domain.to_bytes()),
        lane: LaneIndex(lane),
        generation: Generation(generation),
    }
}

impl Line {
    /// The record's table and its key in the table, ordered as in the store. `None` for the last line, which is not a
    /// record.
    pub(super) fn place(&self) -> Option<(u8, Vec<u8>)> {
        Some(match self {
            Self::Channel(line) => (0, line.domain.to_bytes().to_vec()),
            Self::Lane(line) => (1, encoding::lane_key(line.key()).to_vec()),
            Self::Used(line) => (2, encoding::used_key(line.key(), line.value).to_vec()),
            Self::Reservation(line) => (3, line.id.to_be_bytes().to_vec()),
            Self::Settlement(line) => (4, line.signature.as_ref().to_vec()),
            Self::Outcome(line) => (5, line.id.to_be_bytes().to_vec()),
            Self::Sha256(_) => return None,
        })
    }

    /// Adds the record to a state.
    pub(super) fn add_to(self, state: &mut StoredState) {
        match self {
            Self::Channel(line) => state.channels.push(ChannelRecord {
                domain: Domain(line.domain.to_bytes()),
                address: line.channel,
            }),
            Self::Lane(line) => state.lanes.push((line.key(), line.record())),
            Self::Used(line) => state.used.push((line.key(), line.value)),
            Self::Reservation(line) => {
                let record = ReservationRecord {
                    key: lane_key(&line.domain, line.lane, line.generation),
                    maximum: line.maximum,
                    checkpoint: line.checkpoint,
                    request: line.request.map(RequestKey::from),
                    held_seconds: line.held_seconds,
                };
                state.reservations.push((ReservationId(line.id), record));
            }
            Self::Settlement(line) => state.settlements.push(line.record()),
            Self::Outcome(line) => state.outcomes.push((ReservationId(line.id), line.record())),
            Self::Sha256(_) => {}
        }
    }
}

impl LaneLine {
    fn key(&self) -> LaneKey {
        lane_key(&self.domain, self.lane, self.generation)
    }

    fn record(&self) -> LaneRecord {
        LaneRecord {
            authorized: self.authorized,
            signature: self.signature.map(<[u8; 64]>::from),
            charged: self.charged,
            floor: self.floor,
            settled: self.settled,
        }
    }
}

impl UsedLine {
    fn key(&self) -> LaneKey {
        lane_key(&self.domain, self.lane, self.generation)
    }
}

impl SettlementLine {
    fn record(self) -> SettlementRecord {
        let claims = self.claims.iter().map(|claim| ClaimRecord {
            lane: LaneIndex(claim.lane),
            generation: Generation(claim.generation),
            debit_to: claim.debit_to,
            owed: claim.owed,
        });
        SettlementRecord {
            signature: self.signature,
            last_valid_block_height: self.last_valid_block_height,
            channel: self.channel,
            domain: Domain(self.domain.to_bytes()),
            claims: claims.collect(),
            transaction: self.transaction,
        }
    }
}

impl From<RequestKey> for RequestLine {
    fn from(request: RequestKey) -> Self {
        Self {
            key: Hash::new_from_array(request.key),
            digest: Hash::new_from_array(request.digest),
        }
    }
}

impl From<RequestLine> for RequestKey {
    fn from(line: RequestLine) -> Self {
        Self {
            key: line.key.to_bytes(),
            digest: line.digest.to_bytes(),
        }
    }
}

impl OutcomeLine {
    fn record(self) -> OutcomeRecord {
        OutcomeRecord {
            lane: lane_key(&self.domain, self.lane, self.generation),
            request: self.request.into(),
            charged: self.charged,
            charged_total: self.charged_total,
            reserved: self.reserved,
            authorized: self.authorized,
            deposit: self.deposit,
            ended_at: self.ended_at_seconds,
            answer_bytes: None,
        }
    }
}
