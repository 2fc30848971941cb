//! Lanes and used values on their way to their tables.
//!
//! Agents come in any order, so the lanes of a commit lie on pages of their own, and with many lanes a commit of 256
//! requests would write a thousand pages all over the file. What a commit changes of lanes and used values is
//! therefore one entry of the journal, a run of bytes. Later commits move it to the tables, a few keys at a time and
//! in the tables' order, when many changes of a key have become one and those of a page have come together.
//!
//! The journal wins over the tables. Its entries say what became of keys and not what was done to them, and go in
//! order once all of them were moved, so that a crash at any time leaves entries that may be read again.

use farthing_protocol::BaseUnits;
use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};

use super::changes::{Changes, InOrder, LaneChanges, Tables};
use super::{LANES, USED};
use crate::record::{LaneKey, Record};
use crate::store::{StoreError, UnreadableRecord, encoding};

pub(super) const JOURNAL: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("journal");

/// Changes are collected until there are so many for an entry of the tables: every page then takes several at once.
const CHANGES_PER_ENTRY: u64 = 3;
/// Or until there are so many of a key, when more would save little.
const CHANGES_PER_KEY: u64 = 128;
/// But at least so many, so that a small store does not move all the time. Few in tests, so that all of them meet a
/// journal that moves.
const MIN_COLLECTED: u64 = if cfg!(test) { 16 } else { 65_536 };
/// The most entries of the journal that a commit removes.
const MAX_REMOVED: u64 = 4;

/// What is in the journal's table: entries from `first` to before `next`.
#[derive(Debug, Default)]
pub(super) struct Journal {
    first: u64,
    next: u64,
    /// What the entries from `later` on say, none of which is moved yet. A value that was used and forgotten within
    /// them never reaches a table.
    collected: Changes,
    /// How many changes those entries have.
    collected_count: u64,
    later: u64,
    /// What of the entries before `later` is still to be moved. They go when that is done.
    moving: InOrder,
    /// The entry that is written; kept, because it is large.
    entry: Vec<u8>,
}

impl Journal {
    /// Reads the table. An entry that cannot be understood goes to `refuse` with its key.
    pub(super) fn read(
        table: &impl ReadableTable<u64, &'static [u8]>,
        failed: impl Fn(redb::Error) -> StoreError,
        refuse: &mut UnreadableRecord<'_>,
    ) -> Result<Self, StoreError> {
        let mut journal = Self::default();
        let mut first = None;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (number, changes) = entry.map_err(|error| failed(error.into()))?;
            let number = number.value();
            match encoding::read_changes(changes.value()) {
                Ok(records) => {
                    journal.collected.note(&records, Tables::Unknown);
                    journal.collected_count += records.len() as u64;
                }
                Err(error) => refuse(&number.to_be_bytes(), error)?,
            }
            first.get_or_insert(number);
            journal.next = number + 1;
        }
        journal.first = first.unwrap_or_default();
        journal.later = journal.first;
        Ok(journal)
    }

    #[cfg(test)]
    pub(super) const fn entries(&self) -> u64 {
        self.next - self.first
    }

    /// What the journal says that the tables may not, if it was just read.
    pub(super) const fn changes(&self) -> &Changes {
        &self.collected
    }

    /// Writes what the records change, and moves twice as much: what is being moved, and its entries, are gone
    /// before as much is collected again.
    pub(super) fn write(
        &mut self,
        transaction: &WriteTransaction,
        records: &[Record],
    ) -> Result<(), redb::Error> {
        let count = u64::from(encoding::changes(records, &mut self.entry));
        if count == 0 {
            return Ok(());
        }
        let mut journal = transaction.open_table(JOURNAL)?;
        journal.insert(self.next, self.entry.as_slice())?;
        self.next += 1;
        self.collected_count += count;
        self.collected.note(records, Tables::Older);

        let entries = self.move_some(transaction, 2 * count)?;
        if !self.moving.is_empty() {
            return Ok(());
        }
        let first = self.later.min(self.first + MAX_REMOVED);
        for number in self.first..first {
            journal.remove(number)?;
        }
        self.first = first;
        let saves_little = CHANGES_PER_KEY * self.collected.count();
        let enough = MIN_COLLECTED.max(saves_little.min(CHANGES_PER_ENTRY * entries));
        if self.first == self.later && self.collected_count >= enough {
            self.moving = std::mem::take(&mut self.collected).in_order();
            self.collected_count = 0;
            self.later = self.next;
        }
        Ok(())
    }

    /// Moves so many changes, and what else became of the last lane. Returns how many entries the tables have.
    fn move_some(&mut self, transaction: &WriteTransaction, most: u64) -> Result<u64, redb::Error> {
        let mut lanes = transaction.open_table(LANES)?;
        let mut used = transaction.open_table(USED)?;
        let mut moved = 0;
        while moved < most {
            let Some((key, changes)) = self.moving.pop_first() else {
                break;
            };
            moved += changes.count();
            move_lane(&mut lanes, &mut used, key, changes)?;
        }
        Ok(lanes.len()? + used.len()?)
    }
}

type Bytes = &'static [u8];

/// Values that were used before lanes had them are taken out of their own table; there remain those without a lane.
fn move_lane(
    lanes: &mut Table<'_, Bytes, Bytes>,
    used: &mut Table<'_, Bytes, Bytes>,
    key: LaneKey,
    changes: LaneChanges,
) -> Result<(), redb::Error> {
    let lane_key = encoding::lane_key(key);
    let stored = lanes.get(lane_key.as_slice())?;
    let stored = stored.map(|stored| encoding::read_lane(stored.value()));
    let stored = stored.transpose().map_err(changed)?;
    let (record, values) = match stored {
        Some((record, Some(values))) => (Some(record), values),
        Some((record, None)) => (Some(record), take_values(used, key)?),
        None => (None, take_values(used, key)?),
    };
    let values = changes.apply_to_values(values);
    match changes.record.unwrap_or(record) {
        Some(record) => {
            let lane = encoding::lane(&record, &values);
            lanes.insert(lane_key.as_slice(), lane.as_slice())?;
        }
        None => {
            lanes.remove(lane_key.as_slice())?;
            for value in values {
                let value_key = encoding::used_key(key, value);
                used.insert(value_key.as_slice(), encoding::MARK.as_slice())?;
            }
        }
    }
    Ok(())
}

fn take_values(
    used: &mut Table<'_, Bytes, Bytes>,
    key: LaneKey,
) -> Result<Vec<BaseUnits>, redb::Error> {
    let first = encoding::used_key(key, BaseUnits::ZERO);
    let last = encoding::used_key(key, BaseUnits(u64::MAX));
    let values = used.extract_from_if(first.as_slice()..=last.as_slice(), |_, _| true)?;
    values
        .map(|entry| {
            let (value_key, mark) = entry?;
            let read = encoding::read_used(value_key.value(), mark.value());
            let (_, value) = read.map_err(changed)?;
            Ok(value)
        })
        .collect()
}

/// Whatever is in the tables was read before, so that somebody has changed what can no longer be read.
fn changed(error: StoreError) -> redb::Error {
    redb::Error::Corrupted(error.to_string())
}
