//! Outcomes of requests with an idempotency key, so that a retry gets the same answer and is charged nothing.
//!
//! Everything here is bounded: outcomes by their age and number, stored answers by their bytes, per lane and in total.
//! The oldest are evicted first, an answer before the outcome that it belongs to. An outcome without its answer still
//! says what was charged. A request that was charged nothing has no outcome: its idempotency key is free again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::record::{
    AnswerRecord, LaneKey, OutcomeRecord, Record, Remembered, RequestKey, ReservationId,
};

/// An earlier request with the same idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It is in flight.
    InFlight(ReservationId),
    /// It has ended.
    Ended(ReservationId, OutcomeRecord),
}

/// Limits on the outcomes and answers that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeLimits {
    /// How long an outcome is kept. The time in which no verifier runs does not count.
    pub max_age: Duration,
    /// The most outcomes that are kept.
    pub max_outcomes: usize,
    /// The most bytes of stored answers of one lane.
    pub max_lane_bytes: u64,
    /// The most bytes of stored answers in total.
    pub max_total_bytes: u64,
}

impl Default for OutcomeLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(24 * 60 * 60),
            max_outcomes: 1_000_000,
            max_lane_bytes: 16 << 20,
            max_total_bytes: 1 << 30,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) limits: OutcomeLimits,
    /// Requests in flight and ended, by the hash of their idempotency key.
    by_key: HashMap<[u8; 32], ReservationId>,
    ended: BTreeMap<ReservationId, OutcomeRecord>,
    /// The outcomes whose answers are stored.
    answers: Answers,
}

/// Which answers are stored, and their total length.
#[derive(Debug, Default)]
struct Answers {
    all: Kept,
    by_lane: HashMap<LaneKey, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    ids: BTreeSet<ReservationId>,
    bytes: u64,
}

impl Kept {
    fn insert(&mut self, id: ReservationId, bytes: u32) {
        self.ids.insert(id);
        self.bytes += u64::from(bytes);
    }

    fn remove(&mut self, id: ReservationId, bytes: u32) {
        if self.ids.remove(&id) {
            self.bytes -= u64::from(bytes);
        }
    }
}

impl Answers {
    fn insert(&mut self, id: ReservationId, lane: LaneKey, bytes: u32) {
        self.all.insert(id, bytes);
        self.by_lane.entry(lane).or_default().insert(id, bytes);
    }

    fn remove(&mut self, id: ReservationId, lane: LaneKey, bytes: u32) {
        self.all.remove(id, bytes);
        if let Some(kept) = self.by_lane.get_mut(&lane) {
            kept.remove(id, bytes);
            if kept.ids.is_empty() {
                self.by_lane.remove(&lane);
            }
        }
    }

    /// The oldest answer to evict if `lane`, or else all lanes together, exceed their limit.
    fn superfluous(&self, lane: &LaneKey, limits: &OutcomeLimits) -> Option<ReservationId> {
        let of_lane = self.by_lane.get(lane);
        of_lane
            .filter(|kept| kept.bytes > limits.max_lane_bytes)
            .or((self.all.bytes > limits.max_total_bytes).then_some(&self.all))
            .and_then(|kept| kept.ids.first().copied())
    }
}

impl Outcomes {
    /// The request with this idempotency key (hashed), in flight or ended.
    pub(super) fn id_of(&self, key: &[u8; 32]) -> Option<ReservationId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn ended(&self, id: ReservationId) -> Option<&OutcomeRecord> {
        self.ended.get(&id)
    }

    /// How many outcomes are kept.
    pub(super) fn len(&self) -> usize {
        self.ended.len()
    }

    /// When the request of the oldest kept outcome ended, in seconds of the verifiers' running time.
    pub(super) fn oldest_ended_at(&self) -> Option<u64> {
        let (_, oldest) = self.ended.first_key_value()?;
        Some(oldest.ended_at)
    }

    /// The bytes of all stored answers.
    pub(super) fn answer_bytes(&self) -> u64 {
        self.answers.all.bytes
    }

    /// Notes that a request with this idempotency key is in flight.
    pub(super) fn begin(&mut self, id: ReservationId, request: &RequestKey) {
        self.by_key.insert(request.key, id);
    }

    /// Frees the idempotency key of a request that was charged nothing: a retry is served as a new request.
    pub(super) fn release(&mut self, request: &RequestKey) {
        self.by_key.remove(&request.key);
    }

    /// Adds an outcome as it was read from the store.
    pub(super) fn restore(&mut self, id: ReservationId, outcome: OutcomeRecord) {
        self.by_key.insert(outcome.request.key, id);
        if let Some(bytes) = outcome.answer_bytes {
            self.answers.insert(id, outcome.lane, bytes);
        }
        self.ended.insert(id, outcome);
    }

    /// Keeps the outcome of a request that ended at `outcome.ended_at`, and evicts what exceeds the limits.
    pub(super) fn end(
        &mut self,
        id: ReservationId,
        mut outcome: OutcomeRecord,
        Remembered { answer, receipt }: Remembered,
    ) -> Vec<Record> {
        let bytes = answer.as_ref().map(AnswerRecord::length);
        outcome.answer_bytes =
            bytes.filter(|bytes| u64::from(*bytes) <= self.limits.max_lane_bytes);
        self.restore(id, outcome);
        let mut records = vec![Record::Outcome(id, outcome)];
        if let Some(answer) = answer
            && outcome.answer_bytes.is_some()
        {
            records.push(Record::Answer(id, answer));
        }
        records.extend(receipt.map(|receipt| Record::Receipt(id, receipt)));
        while let Some(id) = self.answers.superfluous(&outcome.lane, &self.limits) {
            records.extend(self.forget_answer(id));
        }
        while let Some(id) = self.superfluous(outcome.ended_at) {
            records.push(self.forget(id));
        }
        records
    }

    /// The oldest outcome, if it has expired or there are too many.
    fn superfluous(&self, now: u64) -> Option<ReservationId> {
        let (id, oldest) = self.ended.first_key_value()?;
        let age = now.saturating_sub(oldest.ended_at);
        let is_too_old = age > self.limits.max_age.as_secs();
        (is_too_old || self.ended.len() > self.limits.max_outcomes).then_some(*id)
    }

    fn forget_answer(&mut self, id: ReservationId) -> Vec<Record> {
        let Some(outcome) = self.ended.get_mut(&id) else {
            return Vec::new();
        };
        if let Some(bytes) = outcome.answer_bytes.take() {
            self.answers.remove(id, outcome.lane, bytes);
        }
        vec![Record::AnswerForgotten(id), Record::Outcome(id, *outcome)]
    }

    fn forget(&mut self, id: ReservationId) -> Record {
        if let Some(outcome) = self.ended.remove(&id) {
            if let Some(bytes) = outcome.answer_bytes {
                self.answers.remove(id, outcome.lane, bytes);
            }
            self.by_key.remove(&outcome.request.key);
        }
        Record::OutcomeForgotten(id)
    }
}
