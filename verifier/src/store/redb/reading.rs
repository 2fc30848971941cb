//! Reading everything back.

use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable, TableHandle};

use super::{
    ANSWERS, CHANNELS, IMPORTED, LANES, MARKS, Numbered, OUTCOMES, RECEIPTS, RESERVATIONS, RedbStore,
    SETTLEMENTS, Table, USED,
};
use crate::ledger::ReservationId;
use crate::store::{Remembered, Store, StoreError, StoredState, encoding};

/// All tables: a store with another one was written by another version.
const TABLES: [&str; 9] = [
    "channels",
    "lanes",
    "used",
    "reservations",
    "settlements",
    "outcomes",
    "answers",
    "receipts",
    "marks",
];

impl RedbStore {
    /// Reads what can be understood. What cannot goes to `refuse` with its key, which decides
    /// whether that ends the reading.
    pub(in crate::store) fn read(
        &mut self,
        mut refuse: impl FnMut(&[u8], StoreError) -> Result<(), StoreError>,
    ) -> Result<StoredState, StoreError> {
        // Creates the tables, so that an empty file reads like an empty store.
        self.commit(&[])?;
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        let tables = transaction.list_tables().map_err(|e| self.failed(e))?;
        for table in tables.filter(|table| !TABLES.contains(&table.name())) {
            let (what, reason) = ("table", format!("{} is not known", table.name()));
            refuse(&[], StoreError::Unreadable { what, reason })?;
        }
        let entries = |table: Table| -> Result<Entries, StoreError> {
            let table = transaction.open_table(table).map_err(|e| self.failed(e))?;
            entries(&table).map_err(|e| self.failed(e))
        };
        let mut state = StoredState::default();
        for (key, value) in entries(CHANNELS)? {
            let record = encoding::read_channel(&key, &value);
            keep(record, &key, &mut state.channels, &mut refuse)?;
        }
        for (key, value) in entries(LANES)? {
            let lane = encoding::read_lane(&value);
            let record = lane.and_then(|lane| Ok((encoding::read_lane_key(&key)?, lane)));
            keep(record, &key, &mut state.lanes, &mut refuse)?;
        }
        for (key, value) in entries(USED)? {
            let record = encoding::read_used(&key, &value);
            keep(record, &key, &mut state.used, &mut refuse)?;
        }
        for (key, value) in entries(SETTLEMENTS)? {
            let record = encoding::read_settlement(&key, &value);
            keep(record, &key, &mut state.settlements, &mut refuse)?;
        }
        for (key, value) in entries(MARKS)? {
            let mark = encoding::read_mark(&key, &value, IMPORTED);
            match mark {
                Ok(()) => state.is_imported = true,
                Err(error) => refuse(&key, error)?,
            }
        }
        let numbered = |table: Numbered| -> Result<NumberedEntries, StoreError> {
            let table = transaction.open_table(table).map_err(|e| self.failed(e))?;
            numbered_entries(&table).map_err(|e| self.failed(e))
        };
        for (id, value) in numbered(RESERVATIONS)? {
            let record = encoding::read_reservation(&value).map(|record| (id, record));
            let key = id.0.to_be_bytes();
            keep(record, &key, &mut state.reservations, &mut refuse)?;
        }
        for (id, value) in numbered(OUTCOMES)? {
            let record = encoding::read_outcome(&value).map(|record| (id, record));
            let key = id.0.to_be_bytes();
            keep(record, &key, &mut state.outcomes, &mut refuse)?;
        }
        Ok(state)
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
    refuse: &mut impl FnMut(&[u8], StoreError) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    match record {
        Ok(record) => into.push(record),
        Err(error) => refuse(key, error)?,
    }
    Ok(())
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<Entries, redb::Error> {
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        entries.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(entries)
}

type NumberedEntries = Vec<(ReservationId, Vec<u8>)>;

fn numbered_entries(
    table: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<NumberedEntries, redb::Error> {
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (id, value) = entry?;
        entries.push((ReservationId(id.value()), value.value().to_vec()));
    }
    Ok(entries)
}
