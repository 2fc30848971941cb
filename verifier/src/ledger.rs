//! The ledger: what each lane authorized, what it was charged, and which requests are in flight. Pure: no IO, no clock.
//!
//! Every decision returns the [`Record`]s that make it durable. The caller writes them, in the order of the
//! decisions, before anything that depends on them leaves the process. The rules are those of section "Ledger" in
//! `docs/protocol.md`; the arithmetic is [`farthing_protocol::debit::accept`].

mod channel;
mod forget;
mod held;
mod lane;
mod lanes;
mod outcomes;
mod restore;
mod settling;
mod size;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::debit::{AcceptError, accept};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};

use crate::ports::Moment;
use crate::record::{
    ALL_USED, LaneKey, LaneRecord, LaneSnapshot, OutcomeRecord, Record, Remembered, RequestKey,
    ReservationId, ReservationRecord,
};

pub use channel::{ChannelFacts, LaneFacts};
pub use forget::Kept;
pub use lane::Used;
pub use outcomes::{Earlier, OutcomeLimits};
pub use settling::Unsettled;
pub use size::Size;

use channel::ChannelLedger;
use held::Held;
use lane::LaneLedger;
use outcomes::Outcomes;
use size::Counts;

/// A voucher whose signature was verified with the key of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedVoucher {
    /// What was signed.
    pub voucher: Voucher,
    /// The signature.
    pub signature: [u8; 64],
}

/// Why a request is not accepted. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A close was requested, or the channel is closed.
    #[error("the channel is closing: open another one")]
    ChannelClosing,
    /// The channel has no such lane, or its addition is not final yet.
    #[error("the channel has no such lane, or its addition is not final yet")]
    LaneUnknown,
    /// The lane was revoked, or its new key is not final yet.
    #[error("the lane is revoked, or its new key is not final yet")]
    LaneRevoked,
    /// The voucher names another generation than the chain.
    #[error("the lane's generation is {expected}: sign for that one")]
    GenerationMismatch {
        /// The lane's generation.
        expected: Generation,
    },
    /// The chain debited more than the ledger knows of, so which vouchers were used is unknown.
    #[error("the chain debited this lane beyond this provider's records, pay through another lane")]
    StoreBehindChain,
    /// The voucher's value was used before, or is at or below the floor, where used and unused values are no longer
    /// told apart.
    #[error("this voucher value was used: sign a higher one")]
    VoucherUsed,
    /// The client's idempotency key belongs to another request.
    #[error("this idempotency key was used for another request: choose a new one")]
    KeyReused,
    /// The amounts do not fit.
    #[error(transparent)]
    Amount(#[from] AcceptError),
}

/// A decision of the ledger: the lane's figures after it, and the records that make it durable.
#[derive(Debug)]
pub struct Decision {
    /// The reservation.
    pub reservation: ReservationId,
    /// The lane afterwards.
    pub lane: LaneSnapshot,
    /// The records to write: in this order, all or none.
    pub records: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
struct OpenReservation {
    key: LaneKey,
    maximum: BaseUnits,
    checkpoint: BaseUnits,
    request: Option<RequestKey>,
    since: Moment,
    held: Option<Held>,
}

/// The ledger of all channels.
#[derive(Debug, Default)]
pub struct Ledger {
    channels: HashMap<Domain, ChannelLedger>,
    /// Requests in flight, the oldest first.
    reservations: BTreeMap<ReservationId, OpenReservation>,
    /// The held reservations, ordered by when they are released.
    held: BTreeSet<(Moment, ReservationId)>,
    last_reservation: u64,
    outcomes: Outcomes,
    counts: Counts,
    /// For how long verifiers ran with this store before this process, and when this process started.
    ran_before: Duration,
    runs_since: Moment,
}

impl Ledger {
    fn lane_mut(&mut self, key: LaneKey) -> Option<&mut LaneLedger> {
        self.channels
            .get_mut(&key.domain)?
            .lanes
            .get_mut(key.lane, key.generation)
    }

    /// Accepts a request that costs at most `maximum`, or refuses it and changes nothing.
    ///
    /// The caller verified the signature with the lane's key in `facts`, that `facts` are fresh, and
    /// that no [`Self::earlier`] request has the same idempotency key.
    ///
    /// # Errors
    /// [`Refusal`] names the first rule that is broken.
    pub fn accept(
        &mut self,
        facts: &Arc<ChannelFacts>,
        verified: &VerifiedVoucher,
        maximum: BaseUnits,
        request: Option<RequestKey>,
        now: Moment,
    ) -> Result<Decision, Refusal> {
        let voucher = &verified.voucher;
        let key = LaneKey {
            domain: facts.domain,
            lane: voucher.lane,
            generation: voucher.generation,
        };
        let lane_facts = facts.lane(key.lane, key.generation)?;
        // An empty channel ledger affects no decision, so it may stay behind after a refusal.
        let channel = self
            .channels
            .entry(key.domain)
            .or_insert_with(|| ChannelLedger::new(facts.address));
        channel.observe(facts);
        let authorized = judge(channel, key, lane_facts, voucher.authorized, maximum)?;

        let mut records = Vec::with_capacity(4);
        if channel.lanes.is_empty() {
            records.push(Record::Channel(key.domain, facts.address));
            self.counts.channels += 1;
        }
        channel.reserve(maximum);
        let lane = channel
            .lanes
            .get_or_insert_with(key.lane, key.generation, || {
                self.counts.lanes += 1;
                LaneLedger::starting_at(lane_facts.debited)
            });
        if voucher.authorized > lane.authorized {
            lane.signature = Some(verified.signature);
        }
        lane.authorized = authorized;
        // charged + reserved + maximum <= authorized was just checked.
        lane.reserved = BaseUnits(lane.reserved.0 + maximum.0);
        let closed = lane.used.insert(voucher.authorized);
        self.counts.used(1, closed.len());
        self.counts.reserve(maximum);

        self.last_reservation += 1;
        let id = ReservationId(self.last_reservation);
        let reservation = OpenReservation {
            key,
            maximum,
            checkpoint: BaseUnits::ZERO,
            request,
            since: now,
            held: None,
        };
        self.reservations.insert(id, reservation);
        if let Some(request) = &request {
            self.outcomes.begin(id, request);
        }
        records.push(Record::Lane(key, lane_record(lane)));
        records.push(Record::Used(key, voucher.authorized));
        records.extend(forgotten(key, closed));
        records.push(reservation_record(id, &reservation));
        Ok(Decision {
            reservation: id,
            lane: snapshot(lane, facts.deposit),
            records,
        })
    }

    /// Notes what a stream has cost so far, which is what it is charged after a crash. `None` if the reservation has
    /// ended.
    pub fn checkpoint(&mut self, id: ReservationId, cost: BaseUnits) -> Option<Record> {
        let reservation = self.reservations.get_mut(&id)?;
        reservation.checkpoint = cost.min(reservation.maximum).max(reservation.checkpoint);
        Some(reservation_record(id, reservation))
    }

    /// The earlier request with the same idempotency key, if there is one and its outcome has not expired.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] if the earlier request was a different one.
    pub fn earlier(&self, request: &RequestKey) -> Result<Option<Earlier>, Refusal> {
        let Some(id) = self.outcomes.id_of(&request.key) else {
            return Ok(None);
        };
        let (known, earlier) = if let Some(outcome) = self.outcomes.ended(id) {
            (Some(outcome.request), Earlier::Ended(id, *outcome))
        } else {
            let reservation = self.reservations.get(&id);
            (
                reservation.and_then(|reservation| reservation.request),
                Earlier::InFlight(id),
            )
        };
        if known.is_some_and(|known| known.digest == request.digest) {
            Ok(Some(earlier))
        } else {
            Err(Refusal::KeyReused)
        }
    }

    /// Ends a reservation: charges `actual`, at most what was reserved, and stores the answer and the receipt of a
    /// request with an idempotency key. `None` if the reservation has ended already.
    pub fn complete(
        &mut self,
        id: ReservationId,
        actual: BaseUnits,
        remembered: Remembered,
        now: Moment,
    ) -> Option<Decision> {
        let OpenReservation {
            key,
            maximum,
            request,
            held,
            ..
        } = self.reservations.remove(&id)?;
        if let Some(held) = held {
            self.held.remove(&(held.until, id));
        }
        let channel = self.channels.get_mut(&key.domain)?;
        let lane = channel.lanes.get_mut(key.lane, key.generation)?;
        let charged_before = lane.charged;
        // charged + reserved <= authorized, so the sum cannot overflow.
        lane.charged = BaseUnits(charged_before.0.saturating_add(actual.min(maximum).0));
        lane.reserved = lane.reserved.saturating_sub(maximum);
        if lane.charged > charged_before {
            lane.unsettled_since.get_or_insert(now);
        }
        let charged_after = lane.charged;
        let closed = lane.used.forget_through(charged_after);
        self.counts.used(0, closed.len());
        let mut records = Vec::with_capacity(4 + closed.len());
        records.push(Record::Lane(key, lane_record(lane)));
        records.extend(forgotten(key, closed));
        records.push(Record::Completed(id));
        let mut snapshot = snapshot(lane, BaseUnits::ZERO);
        channel.release(key, maximum, charged_before, charged_after);
        snapshot.deposit = channel.position().deposit;
        let charged = charged_after.saturating_sub(charged_before);
        self.counts.complete(maximum, charged);
        match request {
            Some(request) if charged == BaseUnits::ZERO => self.outcomes.release(&request),
            Some(request) => {
                let outcome = OutcomeRecord {
                    lane: key,
                    request,
                    charged,
                    charged_total: snapshot.charged,
                    reserved: snapshot.reserved,
                    authorized: snapshot.authorized,
                    deposit: snapshot.deposit,
                    ended_at: self.running_time(now),
                    answer_bytes: None,
                };
                records.extend(self.outcomes.end(id, outcome, remembered));
            }
            None => {}
        }
        Some(Decision {
            reservation: id,
            lane: snapshot,
            records,
        })
    }

    /// Figures of a lane: from the ledger or, if the lane was never used with this verifier, from the on-chain counter.
    #[must_use]
    pub fn lane(&self, facts: &ChannelFacts, key: LaneKey) -> Option<LaneSnapshot> {
        let lane_facts = facts.lanes.get(usize::from(key.lane.0))?;
        let known = self
            .channels
            .get(&key.domain)
            .and_then(|channel| channel.lanes.get(key.lane, key.generation));
        match known {
            Some(lane) => Some(snapshot(lane, facts.deposit)),
            None if lane_facts.generation == key.generation => {
                let lane = LaneLedger::starting_at(lane_facts.debited);
                Some(snapshot(&lane, facts.deposit))
            }
            None => None,
        }
    }

    /// The used voucher values of a lane. Values up to what the lane was charged are refused as well, and not listed.
    #[must_use]
    pub fn used(&self, key: LaneKey) -> Used {
        let channel = self.channels.get(&key.domain);
        let lane = channel.and_then(|channel| channel.lanes.get(key.lane, key.generation));
        lane.map_or_else(Used::default, |lane| lane.used.list())
    }

    /// For how many seconds verifiers have run with this store. Based on the monotonic clock alone, so that setting the
    /// system's clock cannot expire an outcome early.
    fn running_time(&self, now: Moment) -> u64 {
        (self.ran_before + now.since(self.runs_since)).as_secs()
    }

    /// The lanes of a channel that the chain debited beyond what the ledger knows of: the store is an old copy, or
    /// another process settles with the same key. Empty if the channel is not in the ledger.
    #[must_use]
    pub fn behind(&self, facts: &ChannelFacts) -> Vec<LaneIndex> {
        let channel = self.channels.get(&facts.domain);
        channel.map_or_else(Vec::new, |channel| channel.behind(facts))
    }

    /// How many outcomes are kept for idempotent retries.
    #[must_use]
    pub fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    /// The bytes of the answers that are stored for idempotent retries.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.outcomes.answer_bytes()
    }

    /// Whether a request is still in flight.
    #[must_use]
    pub fn is_in_flight(&self, id: ReservationId) -> bool {
        self.reservations.contains_key(&id)
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn reservations(&self) -> usize {
        self.reservations.len()
    }
}

/// Applies rules 0, 2 and 3: the lane's new `authorized`, or why the voucher is refused.
fn judge(
    channel: &ChannelLedger,
    key: LaneKey,
    on_chain: &LaneFacts,
    value: BaseUnits,
    maximum: BaseUnits,
) -> Result<BaseUnits, Refusal> {
    if on_chain.debited > channel.known_charge(key.lane) {
        return Err(Refusal::StoreBehindChain);
    }
    let unused;
    let lane = match channel.lanes.get(key.lane, key.generation) {
        Some(lane) => lane,
        None => {
            unused = LaneLedger::starting_at(on_chain.debited);
            &unused
        }
    };
    if lane.used.floor == ALL_USED {
        return Err(Refusal::StoreBehindChain);
    }
    if lane.is_used(value) {
        return Err(Refusal::VoucherUsed);
    }
    let position = lane.position(on_chain.cap);
    Ok(accept(&position, &channel.position(), value, maximum)?)
}

fn forgotten(key: LaneKey, values: Vec<BaseUnits>) -> impl Iterator<Item = Record> {
    values
        .into_iter()
        .map(move |value| Record::Forgotten(key, value))
}

fn lane_record(lane: &LaneLedger) -> LaneRecord {
    LaneRecord {
        authorized: lane.authorized,
        signature: lane.signature,
        charged: lane.charged,
        floor: lane.used.floor,
        settled: lane.settled,
    }
}

fn reservation_record(id: ReservationId, reservation: &OpenReservation) -> Record {
    let record = ReservationRecord {
        key: reservation.key,
        maximum: reservation.maximum,
        checkpoint: reservation.checkpoint,
        request: reservation.request,
        held_seconds: reservation.held.map(|held| held.seconds),
    };
    Record::Reservation(id, record)
}

fn snapshot(lane: &LaneLedger, deposit: BaseUnits) -> LaneSnapshot {
    LaneSnapshot {
        authorized: lane.authorized,
        signature: lane.signature,
        charged: lane.charged,
        reserved: lane.reserved,
        deposit,
    }
}
