//! Reference implementation of the records in memory, which tests compare stores with.

use std::collections::BTreeMap;

use farthing_protocol::{BaseUnits, Domain};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{
    AnswerRecord, ChannelRecord, LaneKey, LaneRecord, OutcomeRecord, ReceiptRecord, Record,
    ReservationId, ReservationRecord, SettlementRecord, StoredState,
};

/// One table for each kind of record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    channels: BTreeMap<Domain, Pubkey>,
    lanes: BTreeMap<LaneKey, LaneRecord>,
    used: BTreeMap<(LaneKey, BaseUnits), ()>,
    reservations: BTreeMap<ReservationId, ReservationRecord>,
    settlements: BTreeMap<Signature, SettlementRecord>,
    outcomes: BTreeMap<ReservationId, OutcomeRecord>,
    answers: BTreeMap<ReservationId, AnswerRecord>,
    receipts: BTreeMap<ReservationId, ReceiptRecord>,
    is_imported: bool,
}

impl Tables {
    /// The content of the tables, as a store reads it back.
    pub(crate) fn state(&self) -> StoredState {
        StoredState {
            channels: self
                .channels
                .iter()
                .map(|(domain, address)| ChannelRecord {
                    domain: *domain,
                    address: *address,
                })
                .collect(),
            lanes: self.lanes.iter().map(|(key, lane)| (*key, *lane)).collect(),
            used: self.used.keys().copied().collect(),
            reservations: self
                .reservations
                .iter()
                .map(|(id, record)| (*id, *record))
                .collect(),
            settlements: self.settlements.values().cloned().collect(),
            outcomes: self
                .outcomes
                .iter()
                .map(|(id, outcome)| (*id, *outcome))
                .collect(),
            is_imported: self.is_imported,
        }
    }

    /// Applies records in order; a later one of the same key wins.
    pub(crate) fn apply(&mut self, records: &[Record]) {
        for record in records.iter().cloned() {
            match record {
                Record::Channel(domain, address) => {
                    self.channels.insert(domain, address);
                }
                Record::Lane(key, lane) => {
                    self.lanes.insert(key, lane);
                }
                Record::Used(key, value) => {
                    self.used.insert((key, value), ());
                }
                Record::Forgotten(key, value) => {
                    self.used.remove(&(key, value));
                }
                Record::LaneForgotten(key) => {
                    self.lanes.remove(&key);
                }
                Record::ChannelForgotten(domain) => {
                    self.channels.remove(&domain);
                }
                Record::Reservation(id, record) => {
                    self.reservations.insert(id, record);
                }
                Record::Completed(id) => {
                    self.reservations.remove(&id);
                }
                Record::Outcome(id, outcome) => {
                    self.outcomes.insert(id, outcome);
                }
                Record::OutcomeForgotten(id) => {
                    self.outcomes.remove(&id);
                    self.answers.remove(&id);
                    self.receipts.remove(&id);
                }
                Record::Answer(id, answer) => {
                    self.answers.insert(id, answer);
                }
                Record::AnswerForgotten(id) => {
                    self.answers.remove(&id);
                }
                Record::Receipt(id, receipt) => {
                    self.receipts.insert(id, receipt);
                }
                Record::Imported => self.is_imported = true,
                Record::Reconciled => self.is_imported = false,
                Record::Settlement(settlement) => {
                    self.settlements.insert(settlement.signature, settlement);
                }
                Record::SettlementEnded(signature) => {
                    self.settlements.remove(&signature);
                }
            }
        }
    }

    /// The answer and the receipt that belong to an outcome.
    #[cfg(test)]
    pub(crate) fn remembered(&self, id: ReservationId) -> super::Remembered {
        super::Remembered {
            answer: self.answers.get(&id).cloned(),
            receipt: self.receipts.get(&id).cloned(),
        }
    }
}
