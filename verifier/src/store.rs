//! The store port: where the ledger's decisions become durable.
//!
//! # Contract
//! * **One writer.** A store is owned by one thread, the [`Writer`]'s, which hands it the records in
//!   the order of the decisions that they stand for.
//! * **Atomicity.** [`Store::commit`] writes all of its records or none of them.
//! * **Ordering.** What an earlier commit wrote is never lost while something that a later commit wrote
//!   survives. Records of one commit apply in order; of two records with the same key the later one wins.
//! * **Durability.** When `commit` returns `Ok`, the records survive a power cut. This assumes a disk
//!   that writes a sector of 512 bytes as a whole or not at all, and that has really written what it
//!   reports as synced. Between two syncs the disk may lose, tear and reorder writes.
//! * **Errors.** An error, or a panic, means that the outcome is unknown. The store must not be used
//!   again: the writer fails for good, and nothing that waits for it is served, even if the disk works
//!   again. The next start reads a state that is whole: that of the last commit that returned, or that
//!   of the commit that failed.
//! * **Damage.** A file is verified whenever it is opened; a file whose content is not what was written
//!   is refused with [`StoreError::Damaged`]. Three cases cannot be detected: an empty or missing file
//!   looks like a new one; an old copy looks like the last one; and one bit that no checksum covers can
//!   set a store whose process died back by one commit. A lane of such a store is refused once the chain
//!   is ahead of it (ADR 5).
//! * **One process.** While one process has a store open, no other process can open it. The lock ends
//!   with its process.
//! * **Time.** Nothing depends on a clock that can be set; only receipts carry a date. Outcomes are dated
//!   by how long verifiers have run with the store; a settlement's last valid block height is the chain's.
//! * **Answers.** [`Store::remembered`] is called after [`Store::load`], and sees every earlier commit.
//! * **Versions.** Every value starts with the version of its encoding; a store refuses to load a version
//!   that it does not know.

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

/// Callback of [`Store::read`] for a record that cannot be read. It is given the record's key and the error; returning
/// an error ends the reading.
pub type UnreadableRecord<'a> = dyn FnMut(&[u8], StoreError) -> Result<(), StoreError> + 'a;

/// A durable store of records. The documentation of this module is its contract.
pub trait Store: Send + fmt::Debug + 'static {
    /// Reads everything that this version can read, and calls `unreadable` for every other record.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, or what `unreadable` returns.
    fn read(&mut self, unreadable: &mut UnreadableRecord<'_>) -> Result<StoredState, StoreError>;

    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError`] if anything cannot be read; nothing may be served then.
    fn load(&mut self) -> Result<StoredState, StoreError> {
        self.read(&mut |_, error| Err(error))
    }

    /// Writes the records, all or none.
    ///
    /// # Errors
    /// [`StoreError`] if the outcome is unknown; the store must not be used again.
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Reads the answer and the receipt of an outcome, as far as they are stored.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read; the store must not be used again.
    fn remembered(&mut self, id: ReservationId) -> Result<Remembered, StoreError>;
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened, read or written.
    #[error("the store failed, free space on its disk or repair its file, then start again: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has the file open.
    #[error("the store is open in another process, which must end first: {0}")]
    InUse(String),
    /// There is no such file, or no directory for it.
    #[error(
        "the store's file or directory does not exist, create the directory or correct the path: {0}"
    )]
    Missing(String),
    /// The content of the file is not what was written, or the file is not a database at all.
    #[error(
        "the store's file is damaged, restore its last backup (lanes that the chain debited beyond it are \
         then refused): {0}"
    )]
    Damaged(String),
    /// A record that this version cannot read.
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

    /// Adds the file's path to the error of an unreadable record.
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
