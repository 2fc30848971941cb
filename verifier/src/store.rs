//! The store port: where the ledger's decisions become durable.
//!
//! # Contract
//! * **One writer.** A store is owned by one thread, the [`Writer`]'s, which hands it the records in
//!   the order of the decisions that they stand for.
//! * **Atomicity.** [`Store::commit`] writes all of its records or none of them.
//! * **Ordering.** What an earlier commit wrote is never lost while something a later commit wrote
//!   survives. Records of one commit apply in order; a later one of the same key wins.
//! * **Durability.** When `commit` returns `Ok` the records survive the loss of power. That holds on
//!   a disk that writes a sector of 512 bytes as a whole or not at all and that has written what it
//!   says it has synced; between two syncs it may lose, tear and reorder what it likes.
//! * **Errors.** An error, or a panic, means that the outcome is unknown. The store must not be used
//!   again: the writer fails for good and nothing that waits for it is served, even if the disk works
//!   again. The next start reads what is there, which is the state of the last commit that returned
//!   or of the one that failed, as a whole.
//! * **Damage.** A file is verified whenever it is opened; what is not what was written is refused
//!   with [`StoreError::Damaged`]. Nobody can tell an empty or missing file from a new one, or an old
//!   copy from the last one; nor one bit that no checksum covers and that leads a store whose process
//!   died back by one commit. A lane of such a store is refused once the chain is ahead of it (ADR 5).
//! * **One process.** While a store is open no other process opens it; with its process ends its hold.
//! * **Time.** Nothing depends on the time of a clock that anyone can set; only receipts have their date. Outcomes are dated by how long
//!   verifiers have run with the store; a settlement's last valid block height is the chain's.
//! * **Answers.** [`Store::remembered`] is asked after [`Store::load`], and sees every commit before it.
//! * **Versions.** Every value starts with the version of its encoding; a store refuses to load what
//!   it does not know.

mod audit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod encoding;
mod export;
mod import;
#[cfg(test)]
pub(crate) mod memory;
mod read_only;
mod redb;
mod writer;

#[cfg(test)]
mod releases;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::record::{Record, Remembered, ReservationId, StoredState};

pub use self::audit::audit;
pub use self::export::{Counts, ExportSummary, ReadError, export, read_export};
pub use self::import::{ImportError, import};
pub use self::redb::{RedbStore, import_file, probe_commits};
pub(crate) use self::writer::Activity;
pub use self::writer::{StoreFailed, Ticket, Writer};

/// What [`Store::read`] does with a record that it does not understand: the record's key and the error, which is
/// returned to give up.
pub type UnreadableRecord<'a> = dyn FnMut(&[u8], StoreError) -> Result<(), StoreError> + 'a;

/// A durable place for records; the module's documentation is its contract.
pub trait Store: Send + fmt::Debug + 'static {
    /// Reads everything back that is understood. `unreadable` is told of the rest.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, or what `unreadable` returns.
    fn read(&mut self, unreadable: &mut UnreadableRecord<'_>) -> Result<StoredState, StoreError>;

    /// Reads everything back.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read or is not understood; nothing may then be served.
    fn load(&mut self) -> Result<StoredState, StoreError> {
        self.read(&mut |_, error| Err(error))
    }

    /// Writes the records, all or none.
    ///
    /// # Errors
    /// [`StoreError`] if the outcome is unknown; the store must not be used again.
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Reads the answer and the receipt that belong to an outcome, as far as they are kept.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read or is not understood; the store must not be used again.
    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError>;
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened, read or written.
    #[error("the store failed, free its disk or mend its file and start again: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has the file open.
    #[error("the store is open in another process, which must end first: {0}")]
    InUse(String),
    /// The file is not what was written, or no database at all.
    #[error(
        "the store's file is damaged, put its last backup in its place, the lanes that it has forgotten \
         are then refused: {0}"
    )]
    Damaged(String),
    /// A record is not what this version writes.
    #[error("the store holds a {what} that this version cannot read: {reason}")]
    Unreadable {
        /// The kind of record.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Wraps a database's error.
    pub fn database(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Database(error.into())
    }

    /// Says of a record that cannot be read in which file it is.
    fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Unreadable { what, reason } => Self::Unreadable {
                what,
                reason: format!("{}: {reason}", path.display()),
            },
            other => other,
        }
    }
}
