//! Lanes and used values on their way to their tables.
//!
//! Agents come in any order, so the lanes of a commit lie on pages of their own, and with many lanes a commit of 256
//! requests would write a thousand pages all over the file. What a commit changes of lanes and used values is
//! therefore one entry of the journal, a run of bytes. Later commits move it to the tables, a few keys at a time and
//! in the tables' order, when many changes of a key have become one and those of a page have come together.
//!
//! The journal wins over the tables. Its entries say what became of keys and not what was done to them, and go in
//! order once all of them were moved, so that a crash at any time leaves entries that may be read again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use farthing_protocol::BaseUnits;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::{LANES, USED};
use crate::ledger::LaneKey;
use crate::store::record::{LaneRecord, Record};
use crate::store::{StoreError, StoredState, encoding};

pub(super) const JOURNAL: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("journal");

/// Changes are collected until there is one for so many entries of the tables: every page then takes several at once.
const ENTRIES_PER_CHANGE: u64 = 2;
/// Or until there are so many of a key, when more would save little.
const CHANGES_PER_KEY: u64 = 32;
/// But at least so many, so that a small store does not move all the time. Few in tests, so that all of them meet a
/// journal that moves.
const MIN_COLLECTED: u64 = if cfg!(test) { 16 } else { 65_536 };
/// The most entries of the journal that a commit removes.
const MAX_REMOVED: u64 = 4;

/// What became of lanes and used values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Changes {
    pub(in crate::store) lanes: BTreeMap<LaneKey, LaneRecord>,
    /// Whether a value is used from now on, or forgotten.
    pub(in crate::store) used: BTreeMap<(LaneKey, BaseUnits), bool>,
}

impl Changes {
    fn of(records: &[Record]) -> Self {
        let mut changes = Self::default();
        for record in records {
            match record {
                Record::Lane(key, lane) => drop(changes.lanes.insert(*key, *lane)),
                Record::Used(key, value) => changes.note(*key, *value, true),
                Record::Forgotten(key, value) => changes.note(*key, *value, false),
                _ => {}
            }
        }
        changes
    }

    fn note(&mut self, key: LaneKey, value: BaseUnits, is_used: bool) {
        match self.used.entry((key, value)) {
            // Used once, so that nothing older knows of it.
            Entry::Occupied(known) if *known.get() && !is_used => drop(known.remove()),
            Entry::Occupied(mut known) => *known.get_mut() = is_used,
            Entry::Vacant(unknown) => drop(unknown.insert(is_used)),
        }
    }

    fn add(&mut self, later: Self) {
        self.lanes.extend(later.lanes);
        for ((key, value), is_used) in later.used {
            self.note(key, value, is_used);
        }
    }

    fn count(&self) -> u64 {
        (self.lanes.len() + self.used.len()) as u64
    }

    /// Lays the changes over what the tables hold.
    pub(super) fn apply_to(&self, state: &mut StoredState) {
        // Sorting merges two ascending runs.
        if !self.lanes.is_empty() {
            state.lanes.retain(|(key, _)| !self.lanes.contains_key(key));
            let changed = self.lanes.iter().map(|(key, lane)| (*key, *lane));
            state.lanes.extend(changed);
            state.lanes.sort_by_key(|(key, _)| *key);
        }
        if !self.used.is_empty() {
            state.used.retain(|used| !self.used.contains_key(used));
            let kept = self.used.iter().filter(|(_, is_used)| **is_used);
            state.used.extend(kept.map(|(used, _)| *used));
            state.used.sort();
        }
    }
}

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
    moving: Changes,
}

impl Journal {
    /// Reads the table. An entry that cannot be understood goes to `refuse` with its key.
    pub(super) fn read(
        table: &impl ReadableTable<u64, &'static [u8]>,
        failed: impl Fn(redb::Error) -> StoreError,
        refuse: &mut impl FnMut(&[u8], StoreError) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut journal = Self::default();
        let mut first = None;
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (number, changes) = entry.map_err(|error| failed(error.into()))?;
            let number = number.value();
            match encoding::read_changes(changes.value()) {
                // The tables may have any part of it already, so that nothing cancels out.
                Ok(changes) => {
                    journal.moving.lanes.extend(changes.lanes);
                    journal.moving.used.extend(changes.used);
                }
                Err(error) => refuse(&number.to_be_bytes(), error)?,
            }
            first.get_or_insert(number);
            journal.next = number + 1;
        }
        journal.first = first.unwrap_or_default();
        journal.later = journal.next;
        Ok(journal)
    }

    #[cfg(test)]
    pub(super) const fn entries(&self) -> u64 {
        self.next - self.first
    }

    /// What the journal says that the tables may not, if it was just read.
    pub(super) const fn changes(&self) -> &Changes {
        &self.moving
    }

    /// Writes what the records change, and moves twice as much: what is being moved, and its entries, are gone
    /// before as much is collected again.
    pub(super) fn write(
        &mut self,
        transaction: &WriteTransaction,
        records: &[Record],
    ) -> Result<(), redb::Error> {
        let changes = Changes::of(records);
        let count = changes.count();
        if count == 0 {
            return Ok(());
        }
        let mut journal = transaction.open_table(JOURNAL)?;
        journal.insert(self.next, encoding::changes(&changes).as_slice())?;
        self.next += 1;
        self.collected_count += count;
        self.collected.add(changes);

        let entries = self.move_some(transaction, 2 * count)?;
        if self.moving.count() > 0 {
            return Ok(());
        }
        let first = self.later.min(self.first + MAX_REMOVED);
        for number in self.first..first {
            journal.remove(number)?;
        }
        self.first = first;
        let saves_little = CHANGES_PER_KEY * self.collected.count();
        let enough = MIN_COLLECTED.max(saves_little.min(entries / ENTRIES_PER_CHANGE));
        if self.first == self.later && self.collected_count >= enough {
            self.moving = std::mem::take(&mut self.collected);
            self.collected_count = 0;
            self.later = self.next;
        }
        Ok(())
    }

    /// Moves at most so many changes. Returns how many entries the tables have.
    fn move_some(&mut self, transaction: &WriteTransaction, most: u64) -> Result<u64, redb::Error> {
        let mut lanes = transaction.open_table(LANES)?;
        let mut used = transaction.open_table(USED)?;
        for _ in 0..most {
            if let Some((key, lane)) = self.moving.lanes.pop_first() {
                let key = encoding::lane_key(key);
                lanes.insert(key.as_slice(), encoding::lane(&lane).as_slice())?;
            } else if let Some(((key, value), is_used)) = self.moving.used.pop_first() {
                let key = encoding::used_key(key, value);
                if is_used {
                    used.insert(key.as_slice(), encoding::MARK.as_slice())?;
                } else {
                    used.remove(key.as_slice())?;
                }
            } else {
                break;
            }
        }
        Ok(lanes.len()? + used.len()?)
    }
}
