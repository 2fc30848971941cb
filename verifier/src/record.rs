//! The records: what the verifier must not forget, and by which keys it is known.
//!
//! The ledger decides in records and a store keeps them; both know this module and not each other. [`audit`] tells
//! whether a state is one that a ledger could have left.
//! What must not live here: decisions, bytes on a disk.

pub mod audit;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod tables;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// The most used values kept above `charged`. Beyond, the lowest closes: it becomes the floor.
pub const MAX_USED_VALUES: usize = 1_024;

/// The floor of a lane of which vouchers may be public that nobody here knows: it accepts nothing until it
/// is rotated.
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

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub u64);

/// How a request that may be asked again is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Hash of the lane, its generation and the key that the client chose.
    pub key: [u8; 32],
    /// Hash of what was asked: method, path, query and body, but not the payment.
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
    /// The maxima in flight.
    pub reserved: BaseUnits,
    /// The channel's deposit.
    pub deposit: BaseUnits,
}

/// One change of the durable state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A channel with books, by domain.
    Channel(Domain, Pubkey),
    /// A lane's counters, replacing earlier ones.
    Lane(LaneKey, LaneRecord),
    /// A voucher value that bought something.
    Used(LaneKey, BaseUnits),
    /// A used value that need not be kept: `charged` or the floor refuses it, or its lane goes.
    Forgotten(LaneKey, BaseUnits),
    /// A lane that need not be kept, after its used values: its channel is gone.
    LaneForgotten(LaneKey),
    /// A channel that need not be kept, after its lanes.
    ChannelForgotten(Domain),
    /// A request in flight, replacing an earlier checkpoint of the same.
    Reservation(ReservationId, ReservationRecord),
    /// The end of a request.
    Completed(ReservationId),
    /// What a request with a key came to, replacing what was said before.
    Outcome(ReservationId, OutcomeRecord),
    /// The end of an outcome's time, and of its answer's and receipt's.
    OutcomeForgotten(ReservationId),
    /// The answer that belongs to an outcome.
    Answer(ReservationId, AnswerRecord),
    /// An answer for which there is no room any longer.
    AnswerForgotten(ReservationId),
    /// What the receipt that belongs to an outcome said beside the outcome's figures.
    Receipt(ReservationId, ReceiptRecord),
    /// The store was made from an export, which may be old.
    Imported,
    /// The store was compared with the chain since.
    Reconciled,
    /// A settlement about to be sent.
    Settlement(SettlementRecord),
    /// The end of a settlement, whatever its outcome.
    SettlementEnded(Signature),
}

/// A channel with books.
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
    /// What of it final settlements debited, as far as they were seen here.
    pub settled: BaseUnits,
}

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationRecord {
    /// Whose.
    pub key: LaneKey,
    /// The most that it may cost.
    pub maximum: BaseUnits,
    /// What it is charged if the process dies now.
    pub checkpoint: BaseUnits,
    /// How whoever asks again is recognised, if the client gave a key.
    pub request: Option<RequestKey>,
    /// For how many seconds it waits for somebody else's charge, if it does: a restart does not end it, and begins that
    /// time anew.
    pub held_seconds: Option<u32>,
}

/// What a request with a key came to: what its receipt said, word for word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// Whose.
    pub lane: LaneKey,
    /// How whoever asks again is recognised.
    pub request: RequestKey,
    /// What it was charged, more than nothing.
    pub charged: BaseUnits,
    /// Charged to the lane in total then.
    pub charged_total: BaseUnits,
    /// The lane's maxima in flight then.
    pub reserved: BaseUnits,
    /// The highest ceiling signed then.
    pub authorized: BaseUnits,
    /// The channel's deposit then.
    pub deposit: BaseUnits,
    /// When: for how many seconds verifiers had run with this store.
    pub ended_at: u64,
    /// Length of the answer in the store; `None` if it is not kept.
    pub answer_bytes: Option<u32>,
}

impl OutcomeRecord {
    /// The lane as it was told then.
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

/// The answer to a request with a key, as it left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerRecord {
    /// HTTP status.
    pub status: u16,
    /// Headers, without those of the payment.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without the receipt of a stream.
    pub body: Vec<u8>,
    /// Whether the body has its end.
    pub is_whole: bool,
}

impl AnswerRecord {
    /// Its length in bytes, as it counts for the limits.
    #[must_use]
    pub fn length(&self) -> u32 {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        u32::try_from(headers + self.body.len()).unwrap_or(u32::MAX)
    }
}

/// What a receipt said beside the figures of its outcome. With them it can be signed again, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// When it was issued, in seconds of Unix time. It is shown and decides nothing.
    pub issued_at: u64,
    /// What was sold, as JSON; its fields are no business of the store's.
    pub sold: String,
}

/// What is kept of a request beside its outcome, for whoever asks again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The answer.
    pub answer: Option<AnswerRecord>,
    /// What its receipt said.
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
    /// What it claims.
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
    /// What that adds to the on-chain counter.
    pub owed: BaseUnits,
}

/// Everything that a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Channels with books.
    pub channels: Vec<ChannelRecord>,
    /// Lanes.
    pub lanes: Vec<(LaneKey, LaneRecord)>,
    /// Used voucher values, ascending within a lane.
    pub used: Vec<(LaneKey, BaseUnits)>,
    /// Requests without an outcome.
    pub reservations: Vec<(ReservationId, ReservationRecord)>,
    /// Settlements without an outcome.
    pub settlements: Vec<SettlementRecord>,
    /// Outcomes of requests with a key. Their answers are read one by one.
    pub outcomes: Vec<(ReservationId, OutcomeRecord)>,
    /// Whether it was made from an export and not compared with the chain since.
    pub is_imported: bool,
}
