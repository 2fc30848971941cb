//! Reads the tables and the journal.

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, TableHandle,
};

use super::journal::{JOURNAL, Journal};
use super::{
    ANSWERS, CHANNELS, IMPORTED, LANES, MARKS, OUTCOMES, RECEIPTS, RESERVATIONS, RedbStore,
    SETTLEMENTS, USED, make_tables,
};
use crate::record::{Remembered, ReservationId, StoredState};
use crate::store::{StoreError, UnreadableRecord, encoding};

/// The names of all tables. A store that has any other table was written by another version.
const TABLES: [&str; 10] = [
    "channels",
    "lanes",
    "used",
    "reservations",
    "settlements",
    "outcomes",
    "answers",
    "receipts",
    "marks",
    "journal",
];

impl RedbStore {
    /// Reads every record that this version can read. Calls `refuse` with the key of every other record; an error that
    /// it returns ends the reading.
    pub(super) fn read_all(
        &mut self,
        refuse: &mut UnreadableRecord<'_>,
    ) -> Result<StoredState, StoreError> {
        make_tables(&self.database).map_err(|error| self.failed(error))?;
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        let tables = transaction.list_tables().map_err(|e| self.failed(e))?;
        for table in tables.filter(|table| !TABLES.contains(&table.name())) {
            let (what, reason) = ("table", format!("{} is not known", table.name()));
            refuse(&[], StoreError::Unreadable { what, reason })?;
        }
        let mut state = StoredState::default();
        self.each(&transaction, CHANNELS, |key, value| {
            let record = encoding::read_channel(key, value);
            keep(record, key, &mut state.channels, refuse)
        })?;
        self.each(&transaction, LANES, |key, value| {
            let lane = encoding::read_lane(value);
            match lane.and_then(|lane| Ok((encoding::read_lane_key(key)?, lane))) {
                Ok((lane, (record, used))) => {
                    state.lanes.push((lane, record));
                    let used = used.into_iter().flatten();
                    state.used.extend(used.map(|value| (lane, value)));
                }
                Err(error) => refuse(key, error)?,
            }
            Ok(())
        })?;
        self.each(&transaction, USED, |key, value| {
            let record = encoding::read_used(key, value);
            keep(record, key, &mut state.used, refuse)
        })?;
        self.each(&transaction, SETTLEMENTS, |key, value| {
            let record = encoding::read_settlement(key, value);
            keep(record, key, &mut state.settlements, refuse)
        })?;
        self.each(&transaction, MARKS, |key, value| {
            match encoding::read_mark(key, value, IMPORTED) {
                Ok(()) => state.is_imported = true,
                Err(error) => refuse(key, error)?,
            }
            Ok(())
        })?;
        self.each(&transaction, RESERVATIONS, |id, value| {
            let record =
                encoding::read_reservation(value).map(|record| (ReservationId(id), record));
            keep(record, &id.to_be_bytes(), &mut state.reservations, refuse)
        })?;
        self.each(&transaction, OUTCOMES, |id, value| {
            let record = encoding::read_outcome(value).map(|record| (ReservationId(id), record));
            keep(record, &id.to_be_bytes(), &mut state.outcomes, refuse)
        })?;
        let journal = self.read_journal(refuse)?;
        journal.changes().apply_to(&mut state);
        self.journal = Some(journal);
        Ok(state)
    }

    fn each<K: Key + 'static>(
        &self,
        transaction: &ReadTransaction,
        table: TableDefinition<'static, K, &'static [u8]>,
        mut read: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = transaction.open_table(table).map_err(|e| self.failed(e))?;
        for entry in table.iter().map_err(|e| self.failed(e))? {
            let (key, value) = entry.map_err(|e| self.failed(e))?;
            read(key.value(), value.value())?;
        }
        Ok(())
    }

    /// Reads the journal. A store that was never written has none, which reads as empty.
    pub(super) fn read_journal(
        &self,
        refuse: &mut UnreadableRecord<'_>,
    ) -> Result<Journal, StoreError> {
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        match transaction.open_table(JOURNAL) {
            Ok(table) => Journal::read(&table, |error| self.failed(error), refuse),
            Err(TableError::TableDoesNotExist(_)) => Ok(Journal::default()),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn read_remembered(&self, id: ReservationId) -> Result<Remembered, StoreError> {
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        let read = |table| -> Result<Option<Vec<u8>>, redb::Error> {
            let table: ReadOnlyTable<u64, &[u8]> = transaction.open_table(table)?;
            Ok(table.get(id.0)?.map(|value| value.value().to_vec()))
        };
        let answer = read(ANSWERS).map_err(|e| self.failed(e))?;
        let receipt = read(RECEIPTS).map_err(|e| self.failed(e))?;
        let answer = answer.map(|answer| encoding::read_answer(&answer));
        let receipt = receipt.map(|receipt| encoding::read_receipt(&receipt));
        Ok(Remembered {
            answer: answer.transpose()?,
            receipt: receipt.transpose()?,
        })
    }
}

fn keep<T>(
    record: Result<T, StoreError>,
    key: &[u8],
    into: &mut Vec<T>,
    refuse: &mut UnreadableRecord<'_>,
) -> Result<(), StoreError> {
    match record {
        Ok(record) => into.push(record),
        Err(error) => refuse(key, error)?,
    }
    Ok(())
}
