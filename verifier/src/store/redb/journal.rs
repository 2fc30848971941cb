//! A journal of changes of lanes and used values, which are moved to their tables later.
//!
//! The lanes of one commit are usually on different pages, because agents send requests in any order. With many lanes,
//! a commit of 256 requests would write a thousand pages all over the file. Therefore a commit writes all its changes
//! of lanes and used values as one entry of the journal, which is one run of bytes. Later commits move the changes to
//! the tables, a few keys at a time and in the order of the tables; by then many changes of a key have become one, and
//! the changes of one page are written together.
//!
//! Where the journal and the tables differ, the journal is right. Its entries state the new values of keys, so that
//! applying an entry twice does no harm. Entries are removed in order, once all their changes were moved. A crash at
//! any time therefore leaves entries that can be read again.

use farthing_protocol::BaseUnits;
use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};

use super::changes::{Changes, InOrder, LaneChanges, Tables};
use super::{LANES, USED};
use crate::record::{LaneKey, Record};
use crate::store::{StoreError, UnreadableRecord, encoding};

pub(super) const JOURNAL: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("journal");

/// Changes are collected until there are this many per entry of the tables, so that every page takes several at once.
const CHANGES_PER_ENTRY: u64 = 3;
/// Changes are collected no longer than until there are this many per changed key; more would save little.
const CHANGES_PER_KEY: u64 = 128;
/// The fewest changes to collect before they are moved, so that a small store does not move changes all the time. Low
/// in tests, so that all of them cover the moving.
const MIN_COLLECTED: u64 = if cfg!(test) { 16 } else { 65_536 };
/// The most entries of the journal that a commit removes.
const MAX_REMOVED: u64 = 4;

/// The state of the journal. Its table has the entries from `first` up to, but not including, `next`.
#[derive(Debug, Default)]
pub(super) struct Journal {
    first: u64,
    next: u64,
    /// The changes in the entries from `later` on, none of which is moved yet. A value that was used and removed within
    /// them never reaches a table.
    collected: Changes,
    /// How many changes the entries from `later` on have, before those of one key are merged.
    collected_count: u64,
    later: u64,
    /// The changes in the entries before `later` that are still to be moved. Those entries are removed afterwards.
    moving: InOrder,
    /// Buffer of the entry being written, reused because it is large.
    entry: Vec<u8>,
}

impl Journal {
    /// Reads the table. Calls `refuse` with the key of every entry that cannot be read.
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

    /// The changes that may not be in the tables yet; complete only right after the journal was read.
    pub(super) const fn changes(&self) -> &Changes {
        &self.collected
    }

    /// Writes the changes of `records` as an entry, and moves twice as many changes to the tables. The changes being
    /// moved, and their entries, are therefore gone before as many changes are collected again.
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

    /// Moves at least `most` changes, if there are as many, and always all changes of a lane. Returns how many entries
    /// the tables have.
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

/// Writes the changes of a lane to the tables. Older versions stored used values in a separate table: they are moved
/// into the lane's entry, and only values without a lane remain there.
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

/// Everything in the tables was readable when the store was loaded, so a record that cannot be read now was damaged.
fn changed(error: StoreError) -> redb::Error {
    redb::Error::Corrupted(error.to_string())
}
