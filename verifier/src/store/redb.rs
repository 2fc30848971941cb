//! The embedded store: redb with two-phase commit.
//!
//! One-phase commit rests on a checksum that is not cryptographic, and lanes hold bytes that a
//! client chose; two phases cost a second flush and need no such trust.

mod reading;

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use redb::{Database, Durability, TableDefinition, TableError, WriteTransaction};

use super::read_only::ReadOnlyFile;
use super::record::{LaneRecord, Record, ReservationRecord, StoredState};
use super::{Store, StoreError, encoding};
use crate::ledger::{LaneKey, ReservationId};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const CHANNELS: Table = TableDefinition::new("channels");
const LANES: Table = TableDefinition::new("lanes");
const USED: Table = TableDefinition::new("used");
const RESERVATIONS: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("reservations");
const SETTLEMENTS: Table = TableDefinition::new("settlements");

/// A database file.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
}

impl RedbStore {
    /// Opens a database file, or creates it.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when another process has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(|error| cannot_open(path, &error))?;
        Ok(Self { database })
    }

    /// Opens a database file to look at it: the file must exist, and is never written. A commit is
    /// lost when the store is dropped.
    ///
    /// # Errors
    /// As [`Self::open`], and when the file is damaged.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| cannot_open(path, &error))?;
        let file = ReadOnlyFile::new(file).map_err(|error| cannot_open(path, &error))?;
        let database = Database::builder()
            .set_check_integrity_on_open(true)
            .create_with_backend(file)
            .map_err(|error| cannot_open(path, &error))?;
        Ok(Self { database })
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(error.into())
    }

    #[cfg(test)]
    pub(crate) fn with_database(database: Database) -> Self {
        Self { database }
    }
}

fn cannot_open(path: &Path, error: &dyn Display) -> StoreError {
    StoreError::database(format!("cannot open {}: {error}", path.display()))
}

impl Store for RedbStore {
    fn load(&mut self) -> Result<StoredState, StoreError> {
        self.read(|_, error| Err(error))
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(StoreError::database)?;
        transaction.set_two_phase_commit(true);
        transaction
            .set_durability(Durability::Immediate)
            .map_err(StoreError::database)?;
        apply(&transaction, records)?;
        transaction.commit().map_err(StoreError::database)
    }
}

fn apply(transaction: &WriteTransaction, records: &[Record]) -> Result<(), StoreError> {
    let open = |table: Table| transaction.open_table(table).map_err(open_error);
    let (mut channels, mut lanes, mut used) = (open(CHANNELS)?, open(LANES)?, open(USED)?);
    let mut settlements = open(SETTLEMENTS)?;
    let mut reservations = transaction.open_table(RESERVATIONS).map_err(open_error)?;
    for record in records {
        let written = match record {
            Record::Channel(domain, address) => channels
                .insert(domain.0.as_slice(), encoding::address(address).as_slice())
                .map(drop),
            Record::Lane(key, lane) => lanes
                .insert(
                    encoding::lane_key(*key).as_slice(),
                    encoding::lane(lane).as_slice(),
                )
                .map(drop),
            Record::Used(key, value) => used
                .insert(
                    encoding::used_key(*key, *value).as_slice(),
                    encoding::MARK.as_slice(),
                )
                .map(drop),
            Record::Forgotten(key, value) => used
                .remove(encoding::used_key(*key, *value).as_slice())
                .map(drop),
            Record::Reservation(id, reservation) => reservations
                .insert(id.0, encoding::reservation(reservation).as_slice())
                .map(drop),
            Record::Completed(id) => reservations.remove(id.0).map(drop),
            Record::Settlement(settlement) => settlements
                .insert(
                    settlement.signature.as_ref(),
                    encoding::settlement(settlement).as_slice(),
                )
                .map(drop),
            Record::SettlementEnded(signature) => settlements.remove(signature.as_ref()).map(drop),
        };
        written.map_err(StoreError::database)?;
    }
    Ok(())
}

fn open_error(error: TableError) -> StoreError {
    StoreError::database(error)
}

/// Measures what a commit of one paid request costs on this machine: `count` commits, one after the
/// other, to a database of its own in `directory`, which is removed again.
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
        };
        let reservation = ReservationRecord {
            key,
            maximum: BaseUnits(1),
            checkpoint: BaseUnits::ZERO,
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
