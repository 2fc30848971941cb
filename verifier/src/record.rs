//! The records: the durable state of the verifier, and the keys that identify its parts.
//!
//! The ledger expresses its decisions as records and a store keeps them; both depend on this module and not on each
//! other. [`audit`] checks whether a state is one that a ledger could have written.
//! What must not live here: decisions, bytes on a disk.

pub mod audit;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod tables;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// The most used values kept above `charged`. When there are more, the lowest one becomes the floor.
pub const MAX_USED_VALUES: usize = 1_024;

/// The floor of a lane whose vouchers may have been published without this store knowing them: the lane accepts nothing
/// until its key is rotated.
pub const ALL_USED: BaseUnits = BaseUnits(u64::MAX);

/// One lane of one incarnation of one channel, in one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The channel's domain.
    pub domain: Domain,
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
}

impl LaneKey {
    /// The lane that a voucher is signed for.
    #[must_use]
    pub const fn of(voucher: &Voucher) -> Self {
        Self {
            domain: voucher.domain,
            lane: voucher.lane,
            generation: voucher.generation,
        }
    }
}

/// Identifies a reservation, and later the outcome of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub u64);

/// Identifies a request with an idempotency key, so that a retry is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Hash of the lane, its generation and the idempotency key that the client chose.
    pub key: [u8; 32],
    /// Hash of the request: method, path, query and body, but not the payment.
    pub digest: [u8; 32],
}

/// Figures of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// The highest ceiling signed, zero if none.
    pub authorized: BaseUnits,
    /// The signature over it.
    pub signature: Option<[u8; 64]>,
    /// Charged in total.
    pub charged: BaseUnits,
    /// The sum of the maxima in flight.
    pub reserved: BaseUnits,
    /// The channel's deposit.
    pub deposit: BaseUnits,
}

/// One change of the durable state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A channel that the ledger knows: its domain and its address.
    Channel(Domain, Pubkey),
    /// A lane's counters, replacing earlier ones.
    Lane(LaneKey, LaneRecord),
    /// A voucher value that was used.
    Used(LaneKey, BaseUnits),
    /// A used value that need not be kept: it is refused by `charged` or the floor, or its lane is removed.
    Forgotten(LaneKey, BaseUnits),
    /// A lane that need not be kept because its channel is gone. Follows the removal of its used values.
    LaneForgotten(LaneKey),
    /// A channel that need not be kept because it is gone. Follows the removal of its lanes.
    ChannelForgotten(Domain),
    /// A request in flight, replacing an earlier checkpoint of the same.
    Reservation(ReservationId, ReservationRecord),
    /// The end of a request.
    Completed(ReservationId),
    /// The outcome of a request with an idempotency key, replacing an earlier record of the same outcome.
    Outcome(ReservationId, OutcomeRecord),
    /// An outcome expired or was evicted, with its answer and its receipt.
    OutcomeForgotten(ReservationId),
    /// The stored answer of an outcome.
    Answer(ReservationId, AnswerRecord),
    /// A stored answer was evicted; its outcome is kept.
    AnswerForgotten(ReservationId),
    /// The part of an outcome's receipt that is not in the outcome's figures.
    Receipt(ReservationId, ReceiptRecord),
    /// The store was made from an export, which may be old.
    Imported,
    /// The store was compared with the chain after an import.
    Reconciled,
    /// A settlement about to be sent.
    Settlement(SettlementRecord),
    /// The end of a settlement, whatever its outcome.
    SettlementEnded(Signature),
}

/// A channel that the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Its domain.
    pub domain: Domain,
    /// Its address.
    pub address: Pubkey,
}

/// A lane's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneRecord {
    /// The highest ceiling signed, zero if none.
    pub authorized: BaseUnits,
    /// The signature over it.
    pub signature: Option<[u8; 64]>,
    /// Charged in total.
    pub charged: BaseUnits,
    /// Voucher values at or below count as used.
    pub floor: BaseUnits,
    /// How much of `charged` was debited by final settlements that this verifier saw.
    pub settled: BaseUnits,
}

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationRecord {
    /// The lane that pays.
    pub key: LaneKey,
    /// The most that it may cost.
    pub maximum: BaseUnits,
    /// What it is charged if the process dies now.
    pub checkpoint: BaseUnits,
    /// Recognises a retry, if the client sent an idempotency key.
    pub request: Option<RequestKey>,
    /// For how many seconds it is held for a charge by another seller's server, if it is held. A restart does not end a
    /// held reservation, but starts its time anew.
    pub held_seconds: Option<u32>,
}

/// The outcome of a request with an idempotency key: exactly the figures of its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// The lane that paid.
    pub lane: LaneKey,
    /// Recognises a retry.
    pub request: RequestKey,
    /// What the request was charged; never zero.
    pub charged: BaseUnits,
    /// The lane's total charge when the request ended.
    pub charged_total: BaseUnits,
    /// The lane's maxima in flight when the request ended.
    pub reserved: BaseUnits,
    /// The highest ceiling signed when the request ended.
    pub authorized: BaseUnits,
    /// The channel's deposit when the request ended.
    pub deposit: BaseUnits,
    /// When the request ended: for how many seconds verifiers had run with this store.
    pub ended_at: u64,
    /// Length of the answer in the store; `None` if it is not kept.
    pub answer_bytes: Option<u32>,
}

impl OutcomeRecord {
    /// The lane's figures when the request ended, without the signature.
    #[must_use]
    pub const fn lane_then(&self) -> LaneSnapshot {
        LaneSnapshot {
            authorized: self.authorized,
            signature: None,
            charged: self.charged_total,
            reserved: self.reserved,
            deposit: self.deposit,
        }
    }
}

/// The stored answer to a request with an idempotency key, as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerRecord {
    /// HTTP status.
    pub status: u16,
    /// Headers, without the payment headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without the receipt at the end of a stream.
    pub body: Vec<u8>,
    /// Whether the body is complete.
    pub is_whole: bool,
}

impl AnswerRecord {
    /// The answer's length in bytes (headers and body), as it counts towards the limits.
    #[must_use]
    pub fn length(&self) -> u32 {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        u32::try_from(headers + self.body.len()).unwrap_or(u32::MAX)
    }
}

/// The part of a receipt that is not in the figures of its outcome. Together they allow signing the same receipt again,
/// byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// When it was issued, in seconds of Unix time. It is only displayed and decides nothing.
    pub issued_at: u64,
    /// What was sold, as JSON. The store does not interpret it.
    pub sold: String,
}

/// The answer and receipt stored beside an outcome, for idempotent retries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The answer.
    pub answer: Option<AnswerRecord>,
    /// The part of the receipt that is not in the outcome's figures.
    pub receipt: Option<ReceiptRecord>,
}

/// A settlement that was or is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRecord {
    /// Signature of the transaction, its only one.
    pub signature: Signature,
    /// Above this finalized block height it can no longer land.
    pub last_valid_block_height: u64,
    /// The signed transaction, serialised, to send again.
    pub transaction: Vec<u8>,
    /// The channel's address.
    pub channel: Pubkey,
    /// The channel's domain.
    pub domain: Domain,
    /// The lanes that it claims.
    pub claims: Vec<ClaimRecord>,
}

/// One lane in a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRecord {
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// The counter after the settlement.
    pub debit_to: BaseUnits,
    /// The amount that the claim adds to the on-chain counter.
    pub owed: BaseUnits,
}

/// Everything that a store holds, except the stored answers and receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Channels that the ledger knows.
    pub channels: Vec<ChannelRecord>,
    /// Lanes.
    pub lanes: Vec<(LaneKey, LaneRecord)>,
    /// Used voucher values, ascending within a lane.
    pub used: Vec<(LaneKey, BaseUnits)>,
    /// Requests in flight.
    pub reservations: Vec<(ReservationId, ReservationRecord)>,
    /// Settlements whose outcome is not known yet.
    pub settlements: Vec<SettlementRecord>,
    /// Outcomes of requests with an idempotency key. Their answers and receipts are read one by one.
    pub outcomes: Vec<(ReservationId, OutcomeRecord)>,
    /// Whether the store was made from an export and not compared with the chain since.
    pub is_imported: bool,
}
