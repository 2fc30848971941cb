//! A deterministic workload: commits like a verifier's, and the expected states between them.

use std::collections::VecDeque;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::seeded::Seeded;
use crate::record::tables::Tables;
use crate::record::{
    AnswerRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, ReceiptRecord, Record,
    RequestKey, ReservationId, ReservationRecord, SettlementRecord, StoredState,
};

const LANES: u16 = 24;
/// The maximum length of a transaction, so that few settlements share a page.
const TRANSACTION_LENGTH: usize = 1_232;

/// Commits, and what a store holds before the first, after the first, and so on.
pub(crate) struct Workload {
    pub(crate) commits: Vec<Vec<Record>>,
    pub(crate) states: Vec<StoredState>,
}

impl Workload {
    /// A workload of `commits` commits, each of at most `largest` batches.
    pub(crate) fn new(seed: u64, commits: usize, largest: usize) -> Self {
        let mut traffic = Traffic::new(seed);
        let commits: Vec<_> = (0..commits).map(|_| traffic.commit(largest)).collect();
        let mut tables = Tables::default();
        let mut states = vec![StoredState::default()];
        for records in &commits {
            tables.apply(records);
            states.push(tables.state());
        }
        Self { commits, states }
    }
}

struct Traffic {
    random: Seeded,
    clock: u64,
    in_flight: VecDeque<(ReservationId, ReservationRecord)>,
    used: VecDeque<(LaneKey, BaseUnits)>,
    settlements: VecDeque<Signature>,
    outcomes: VecDeque<ReservationId>,
}

impl Traffic {
    fn new(seed: u64) -> Self {
        Self {
            random: Seeded::new(seed),
            clock: 0,
            in_flight: VecDeque::new(),
            used: VecDeque::new(),
            settlements: VecDeque::new(),
            outcomes: VecDeque::new(),
        }
    }

    /// Mostly one batch; every fourth time a group of many.
    fn commit(&mut self, largest: usize) -> Vec<Record> {
        let batches = match self.random.below(4) {
            0 => 1 + self.random.below(largest),
            _ => 1,
        };
        (0..batches).flat_map(|_| self.batch()).collect()
    }

    fn batch(&mut self) -> Vec<Record> {
        self.clock += 1;
        match self.random.below(20) {
            0..8 => self.accept(),
            8..10 => self.checkpoint(),
            10..16 => self.complete(),
            16 => self.forget(),
            17 => self.forget_lane(),
            18 => self.settle(),
            _ => self
                .settlements
                .pop_front()
                .map(Record::SettlementEnded)
                .into_iter()
                .collect(),
        }
    }

    fn key(&mut self) -> LaneKey {
        LaneKey {
            domain: Domain([u8::try_from(self.random.below(3)).expect("small"); 32]),
            lane: LaneIndex(u16::try_from(self.random.below(usize::from(LANES))).expect("small")),
            generation: Generation(0),
        }
    }

    fn lane(&mut self, key: LaneKey) -> Record {
        let mut signature = [0; 64];
        for chunk in signature.chunks_mut(8) {
            chunk.copy_from_slice(&self.random.next().to_le_bytes());
        }
        let lane = LaneRecord {
            authorized: BaseUnits(self.clock * 10),
            signature: Some(signature),
            charged: BaseUnits(self.clock),
            floor: BaseUnits::ZERO,
            settled: BaseUnits(self.clock / 2),
        };
        Record::Lane(key, lane)
    }

    fn accept(&mut self) -> Vec<Record> {
        let key = self.key();
        // Half of the values are from a small range, so that some are used again after their lane was removed.
        let value = match self.random.below(2) {
            0 => BaseUnits(self.random.next() >> 8),
            _ => BaseUnits(self.random.next() % 64),
        };
        let reservation = ReservationRecord {
            key,
            maximum: BaseUnits(50),
            checkpoint: BaseUnits::ZERO,
            request: (self.random.below(2) == 0).then_some(RequestKey {
                key: [3; 32],
                digest: [4; 32],
            }),
            held_seconds: self.clock.is_multiple_of(8).then_some(300),
        };
        let id = ReservationId(self.clock);
        self.in_flight.push_back((id, reservation));
        self.used.push_back((key, value));
        vec![
            Record::Channel(key.domain, Pubkey::new_from_array(key.domain.0)),
            self.lane(key),
            Record::Used(key, value),
            Record::Reservation(id, reservation),
        ]
    }

    fn checkpoint(&mut self) -> Vec<Record> {
        let checkpoint = BaseUnits(self.clock % 50);
        let oldest = self.in_flight.front_mut().map(|(id, reservation)| {
            reservation.checkpoint = checkpoint;
            Record::Reservation(*id, *reservation)
        });
        oldest.into_iter().collect()
    }

    fn complete(&mut self) -> Vec<Record> {
        match self.in_flight.pop_front() {
            Some((id, reservation)) => {
                let mut records = vec![self.lane(reservation.key), Record::Completed(id)];
                if let Some(request) = reservation.request {
                    records.extend(self.outcome(id, reservation.key, request));
                }
                records
            }
            None => self.accept(),
        }
    }

    /// An outcome with an answer that may take several pages. The oldest outcome is removed when there are more than 3.
    fn outcome(&mut self, id: ReservationId, lane: LaneKey, request: RequestKey) -> Vec<Record> {
        let answer = AnswerRecord {
            status: 200,
            headers: Vec::new(),
            body: vec![5; self.random.below(10_000)],
            is_whole: true,
        };
        let outcome = OutcomeRecord {
            lane,
            request,
            charged: BaseUnits(1),
            charged_total: BaseUnits(self.clock),
            reserved: BaseUnits::ZERO,
            authorized: BaseUnits(self.clock),
            deposit: BaseUnits(self.clock),
            ended_at: self.clock,
            answer_bytes: Some(answer.length()),
        };
        let receipt = ReceiptRecord {
            issued_at: self.clock,
            sold: "{}".repeat(self.random.below(200)),
        };
        let mut records = vec![
            Record::Outcome(id, outcome),
            Record::Answer(id, answer),
            Record::Receipt(id, receipt),
        ];
        self.outcomes.push_back(id);
        if self.outcomes.len() > 3 {
            records.extend(self.outcomes.pop_front().map(Record::OutcomeForgotten));
        }
        records
    }

    fn forget(&mut self) -> Vec<Record> {
        let many = self.used.len() / 8;
        self.used
            .drain(..many)
            .map(|(key, value)| Record::Forgotten(key, value))
            .collect()
    }

    /// Removes a lane and its channel; the next request of another lane adds the channel again.
    fn forget_lane(&mut self) -> Vec<Record> {
        let gone = self.key();
        let used = std::mem::take(&mut self.used).into_iter();
        let (forgotten, kept): (Vec<_>, Vec<_>) = used.partition(|(key, _)| *key == gone);
        self.used = kept.into();
        let forgotten = forgotten.into_iter();
        let mut records: Vec<_> = forgotten
            .map(|(key, value)| Record::Forgotten(key, value))
            .collect();
        records.push(Record::LaneForgotten(gone));
        records.push(Record::ChannelForgotten(gone.domain));
        records
    }

    fn settle(&mut self) -> Vec<Record> {
        let key = self.key();
        let mut signature = [7; 64];
        signature[..8].copy_from_slice(&self.random.next().to_le_bytes());
        self.settlements.push_back(Signature::from(signature));
        vec![Record::Settlement(SettlementRecord {
            signature: Signature::from(signature),
            last_valid_block_height: self.clock,
            transaction: vec![9; TRANSACTION_LENGTH],
            channel: Pubkey::new_from_array(key.domain.0),
            domain: key.domain,
            claims: vec![ClaimRecord {
                lane: key.lane,
                generation: key.generation,
                debit_to: BaseUnits(self.clock),
                owed: BaseUnits(1),
            }],
        })]
    }
}
