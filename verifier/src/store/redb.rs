//! The embedded store: redb with two-phase commit.
//!
//! One-phase commit relies on a checksum that is not cryptographic, although lanes hold bytes that a client chose. Two
//! phases cost a second flush and do not rely on it.
//!
//! Every opening verifies every page. redb by itself does so only after a crash. Without it, damage by a failing disk
//! since the file was closed would go unnoticed: a flipped bit would be read as another amount of a lane, or cause a
//! panic. The verification reads what [`Store::load`] reads anyway.
//!
//! Lanes and used values reach their tables through a [`journal`].

mod changes;
mod creation;
mod import_file;
mod journal;
mod reading;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use redb::backends::FileBackend;
use redb::{Database, Durability, StorageBackend, TableDefinition, WriteTransaction};

use super::read_only::ReadOnlyFile;
use super::{Store, StoreError, UnreadableRecord, encoding};
use crate::record::{
    LaneKey, LaneRecord, Record, Remembered, ReservationId, ReservationRecord, StoredState,
};

pub use import_file::import_file;

use journal::{JOURNAL, Journal};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
/// A table of records that belong to a request, by the number of its reservation.
type Numbered = TableDefinition<'static, u64, &'static [u8]>;

const CHANNELS: Table = TableDefinition::new("channels");
const LANES: Table = TableDefinition::new("lanes");
const USED: Table = TableDefinition::new("used");
const RESERVATIONS: Numbered = TableDefinition::new("reservations");
const SETTLEMENTS: Table = TableDefinition::new("settlements");
/// Marks that concern the whole store; the only key is [`IMPORTED`].
const MARKS: Table = TableDefinition::new("marks");
const OUTCOMES: Numbered = TableDefinition::new("outcomes");
const ANSWERS: Numbered = TableDefinition::new("answers");
const RECEIPTS: Numbered = TableDefinition::new("receipts");

/// The mark of a store that was made from an export and not compared with the chain since.
const IMPORTED: &[u8] = b"imported";

/// Memory for the database's page cache. Pages that do not fit are read from the system's cache. A cache larger than
/// the processor's own caches costs every commit more than it saves.
const CACHE_BYTES: usize = 32 << 20;

/// A database file.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    path: PathBuf,
    /// `None` until the first use, and after a failed commit.
    journal: Option<Journal>,
}

impl RedbStore {
    /// Opens a database file, or creates it. A file whose creation was interrupted, for example by a power cut, is
    /// created anew.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it open, [`StoreError::Damaged`] if its content is not what was
    /// written, [`StoreError::Database`] if it cannot be read or written at all.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: io::Error| explain(path, error.into());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(unusable)?;
        let backend = FileBackend::new(file).map_err(|error| explain(path, error.into()))?;
        let store = Self::over(backend, path)?;
        creation::sync_directory(path).map_err(unusable)?;
        Ok(store)
    }

    /// Opens a database file for reading. The file must exist and is never written; commits stay in memory and are lost
    /// when the store is dropped.
    ///
    /// # Errors
    /// The same as for [`Self::open`].
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| explain(path, error.into()))?;
        let file = ReadOnlyFile::new(file).map_err(|error| explain(path, error.into()))?;
        Self::over(file, path)
    }

    /// Opens the database on a backend; error messages name it by `path`.
    pub(super) fn over(backend: impl StorageBackend, path: &Path) -> Result<Self, StoreError> {
        creation::forget_interrupted(&backend).map_err(|error| explain(path, error.into()))?;
        let database = Database::builder()
            .set_check_integrity_on_open(true)
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|error| explain(path, error.into()))?;
        Ok(Self {
            database,
            path: path.to_owned(),
            journal: None,
        })
    }

    #[cfg(test)]
    pub(super) fn journal_entries(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::entries)
    }

    #[cfg(test)]
    pub(super) fn write_journal_entry(&self, number: u64, entry: &[u8]) {
        let transaction = begin(&self.database).expect("the disk works");
        let mut journal = transaction.open_table(JOURNAL).expect("a table");
        journal.insert(number, entry).expect("the disk works");
        drop(journal);
        transaction.commit().expect("the disk works");
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        explain(&self.path, error.into())
    }
}

/// Converts an error of the database to the [`StoreError`] that tells the operator what to do, with the file's path.
fn explain(path: &Path, error: redb::Error) -> StoreError {
    let path = path.display();
    match error {
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse(path.to_string()),
        redb::Error::Corrupted(reason) => StoreError::Damaged(format!("{path}: {reason}")),
        // The file is not a database, or was cut short.
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Damaged(format!("{path}: {error}"))
        }
        redb::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            StoreError::Missing(path.to_string())
        }
        error => StoreError::database(format!("{path}: {error}")),
    }
}

impl Store for RedbStore {
    fn read(&mut self, unreadable: &mut UnreadableRecord<'_>) -> Result<StoredState, StoreError> {
        self.read_all(unreadable)
    }

    fn load(&mut self) -> Result<StoredState, StoreError> {
        let path = self.path.clone();
        self.read_all(&mut |_, error| Err(error.in_file(&path)))
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut journal = match self.journal.take() {
            Some(journal) => journal,
            None => self.read_journal(&mut |_, error| Err(error.in_file(&self.path)))?,
        };
        write(&self.database, &mut journal, records).map_err(|error| self.failed(error))?;
        self.journal = Some(journal);
        Ok(())
    }

    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError> {
        let remembered = self.read_remembered(id);
        remembered.map_err(|error| error.in_file(&self.path))
    }
}

fn write(
    database: &Database,
    journal: &mut Journal,
    records: &[Record],
) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    apply(&transaction, records)?;
    journal.write(&transaction, records)?;
    Ok(transaction.commit()?)
}

/// Creates the tables, so that an empty file is read as an empty store.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    for table in [CHANNELS, LANES, USED, SETTLEMENTS, MARKS] {
        transaction.open_table(table)?;
    }
    for table in [RESERVATIONS, OUTCOMES, ANSWERS, RECEIPTS, JOURNAL] {
        transaction.open_table(table)?;
    }
    Ok(transaction.commit()?)
}

fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_durability(Durability::Immediate)?;
    Ok(transaction)
}

/// Writes everything but lanes and used values, which go through the journal.
fn apply(transaction: &WriteTransaction, records: &[Record]) -> Result<(), redb::Error> {
    let open = |table: Table| transaction.open_table(table);
    let mut channels = open(CHANNELS)?;
    let (mut settlements, mut marks) = (open(SETTLEMENTS)?, open(MARKS)?);
    let numbered = |table: Numbered| transaction.open_table(table);
    let mut reservations = numbered(RESERVATIONS)?;
    let (mut outcomes, mut answers) = (numbered(OUTCOMES)?, numbered(ANSWERS)?);
    let mut receipts = numbered(RECEIPTS)?;
    for record in records {
        let written = match record {
            Record::Channel(domain, address) => channels
                .insert(domain.0.as_slice(), encoding::address(address).as_slice())
                .map(drop),
            Record::ChannelForgotten(domain) => channels.remove(domain.0.as_slice()).map(drop),
            Record::Lane(..)
            | Record::Used(..)
            | Record::Forgotten(..)
            | Record::LaneForgotten(_) => Ok(()),
            Record::Reservation(id, reservation) => reservations
                .insert(id.0, encoding::reservation(reservation).as_slice())
                .map(drop),
            Record::Completed(id) => reservations.remove(id.0).map(drop),
            Record::Outcome(id, outcome) => outcomes
                .insert(id.0, encoding::outcome(outcome).as_slice())
                .map(drop),
            Record::OutcomeForgotten(id) => outcomes
                .remove(id.0)
                .map(drop)
                .and_then(|()| answers.remove(id.0).map(drop))
                .and_then(|()| receipts.remove(id.0).map(drop)),
            Record::Answer(id, answer) => answers
                .insert(id.0, encoding::answer(answer).as_slice())
                .map(drop),
            Record::AnswerForgotten(id) => answers.remove(id.0).map(drop),
            Record::Receipt(id, receipt) => receipts
                .insert(id.0, encoding::receipt(receipt).as_slice())
                .map(drop),
            Record::Imported => marks.insert(IMPORTED, encoding::MARK.as_slice()).map(drop),
            Record::Reconciled => marks.remove(IMPORTED).map(drop),
            Record::Settlement(settlement) => settlements
                .insert(
                    settlement.signature.as_ref(),
                    encoding::settlement(settlement).as_slice(),
                )
                .map(drop),
            Record::SettlementEnded(signature) => settlements.remove(signature.as_ref()).map(drop),
        };
        written?;
    }
    Ok(())
}

/// Measures how long the commit of one paid request takes on this machine: makes `count` commits, one after the other,
/// to a separate database file in `directory`, which is removed again.
///
/// # Errors
/// [`StoreError`] if the directory cannot be written.
pub fn probe_commits(directory: &Path, count: usize) -> Result<Vec<Duration>, StoreError> {
    let path = directory.join("farthing-commit-probe.redb");
    let timings = time_commits(&path, count);
    std::fs::remove_file(&path).map_err(StoreError::database)?;
    timings
}

fn time_commits(path: &Path, count: usize) -> Result<Vec<Duration>, StoreError> {
    let mut store = RedbStore::open(path)?;
    store.load()?;
    let key = LaneKey {
        domain: Domain([7; 32]),
        lane: LaneIndex(0),
        generation: Generation(0),
    };
    let mut timings = Vec::with_capacity(count);
    for round in 0..count as u64 {
        let lane = LaneRecord {
            authorized: BaseUnits(round),
            signature: Some([7; 64]),
            charged: BaseUnits(round),
            floor: BaseUnits::ZERO,
            settled: BaseUnits::ZERO,
        };
        let reservation = ReservationRecord {
            key,
            maximum: BaseUnits(1),
            checkpoint: BaseUnits::ZERO,
            request: None,
            held_seconds: None,
        };
        let records = [
            Record::Lane(key, lane),
            Record::Used(key, BaseUnits(round)),
            Record::Reservation(ReservationId(round), reservation),
        ];
        let started = Instant::now();
        store.commit(&records)?;
        timings.push(started.elapsed());
    }
    Ok(timings)
}
