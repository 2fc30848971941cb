//! A store for tests: forgets with its process, and fails when it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use farthing_protocol::{BaseUnits, Domain};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::record::{
    AnswerRecord, ChannelRecord, LaneRecord, OutcomeRecord, ReceiptRecord, Record, Remembered,
    ReservationRecord, SettlementRecord, StoredState,
};
use super::{Store, StoreError};
use crate::ledger::{LaneKey, ReservationId};

#[derive(Debug, Default)]
struct Tables {
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

/// Clones share their tables, as two openings of one file do.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    pub(crate) fails: Arc<AtomicBool>,
    pub(crate) commits: Arc<AtomicUsize>,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<StoredState, StoreError> {
        let tables = self.tables.lock().expect("tests do not poison");
        Ok(StoredState {
            channels: tables
                .channels
                .iter()
                .map(|(domain, address)| ChannelRecord {
                    domain: *domain,
                    address: *address,
                })
                .collect(),
            lanes: tables
                .lanes
                .iter()
                .map(|(key, lane)| (*key, *lane))
                .collect(),
            used: tables.used.keys().copied().collect(),
            reservations: tables
                .reservations
                .iter()
                .map(|(id, record)| (*id, *record))
                .collect(),
            settlements: tables.settlements.values().cloned().collect(),
            outcomes: tables
                .outcomes
                .iter()
                .map(|(id, outcome)| (*id, *outcome))
                .collect(),
            is_imported: tables.is_imported,
        })
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::database("the test says so"));
        }
        let mut tables = self.tables.lock().expect("tests do not poison");
        for record in records.iter().cloned() {
            match record {
                Record::Channel(domain, address) => {
                    tables.channels.insert(domain, address);
                }
                Record::Lane(key, lane) => {
                    tables.lanes.insert(key, lane);
                }
                Record::Used(key, value) => {
                    tables.used.insert((key, value), ());
                }
                Record::Forgotten(key, value) => {
                    tables.used.remove(&(key, value));
                }
                Record::LaneForgotten(key) => {
                    tables.lanes.remove(&key);
                }
                Record::ChannelForgotten(domain) => {
                    tables.channels.remove(&domain);
                }
                Record::Reservation(id, record) => {
                    tables.reservations.insert(id, record);
                }
                Record::Completed(id) => {
                    tables.reservations.remove(&id);
                }
                Record::Outcome(id, outcome) => {
                    tables.outcomes.insert(id, outcome);
                }
                Record::OutcomeForgotten(id) => {
                    tables.outcomes.remove(&id);
                    tables.answers.remove(&id);
                    tables.receipts.remove(&id);
                }
                Record::Answer(id, answer) => {
                    tables.answers.insert(id, answer);
                }
                Record::AnswerForgotten(id) => {
                    tables.answers.remove(&id);
                }
                Record::Receipt(id, receipt) => {
                    tables.receipts.insert(id, receipt);
                }
                Record::Imported => tables.is_imported = true,
                Record::Reconciled => tables.is_imported = false,
                Record::Settlement(settlement) => {
                    tables.settlements.insert(settlement.signature, settlement);
                }
                Record::SettlementEnded(signature) => {
                    tables.settlements.remove(&signature);
                }
            }
        }
        Ok(())
    }

    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError> {
        let tables = self.tables.lock().expect("tests do not poison");
        Ok(Remembered {
            answer: tables.answers.get(&id).cloned(),
            receipt: tables.receipts.get(&id).cloned(),
        })
    }
}
