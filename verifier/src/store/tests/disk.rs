//! A simulated disk that can lose its power, for tests below the file layer.
//!
//! # The model
//! After a power cut, every write that was not synced may be on the disk or not, independently and in any order, and
//! may be there in part. The unit is the sector of 512 bytes: disks write a sector as a whole or not at all, and redb
//! relies on this for its header of 320 bytes. Changes of length are records of the file system, whose journal keeps
//! them in order: of those that were not synced, the first few are there. Bytes beyond the length are lost.
//!
//! A disk keeps a log of its changes, so that one run of a deterministic program yields the states after a cut at every
//! change.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::store::conformance::seeded::Seeded;

const SECTOR_LENGTH: usize = 512;

/// One operation that changes a disk, or makes changes last.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

/// An operation that fails.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fault {
    /// The number of the operation, reading included.
    pub(super) at: Option<usize>,
    /// Whether all later ones fail too.
    pub(super) sticky: bool,
}

#[derive(Debug, Default)]
struct Inner {
    content: Vec<u8>,
    log: Vec<Change>,
    operations: usize,
    fault: Fault,
    is_off: bool,
}

/// A disk with one file. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// A disk that holds this content, durably.
    pub(super) fn holding(content: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.inner().content = content;
        disk
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Some tests cause a panic of redb, which poisons the lock.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes operations fail as `fault` says, counted from zero from now on.
    pub(super) fn fail(&self, fault: Fault) {
        let mut inner = self.inner();
        inner.operations = 0;
        inner.fault = fault;
    }

    /// How many operations there were since the last [`Self::fail`].
    pub(super) fn operations(&self) -> usize {
        self.inner().operations
    }

    /// Makes every operation fail, as if the process had died.
    pub(super) fn turn_off(&self) {
        self.inner().is_off = true;
    }

    /// How many changes there were.
    pub(super) fn changes(&self) -> usize {
        self.inner().log.len()
    }

    /// Takes the log out; a new one is started.
    pub(super) fn take_log(&self) -> Vec<Change> {
        std::mem::take(&mut self.inner().log)
    }

    /// The content as the process sees it, with all unsynced changes.
    pub(super) fn content(&self) -> Vec<u8> {
        self.inner().content.clone()
    }

    fn operate(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        let number = inner.operations;
        inner.operations += 1;
        let fails = inner
            .fault
            .at
            .is_some_and(|at| number == at || inner.fault.sticky && number > at);
        if inner.is_off || fails {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(inner)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let number = self.operations() as u64;
        let outcome = self.operate().map(drop);
        let mut inner = self.inner();
        if outcome.is_ok() {
            apply(&mut inner.content, &change, |_| true);
            inner.log.push(change);
        } else if matches!(change, Change::Write(..)) && !inner.is_off {
            // A failed write may have been made in part.
            let mut random = Seeded::new(number);
            apply(&mut inner.content, &change, |_| random.below(2) == 0);
        }
        outcome
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operate()?.content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.operate()?;
        let start = usize::try_from(offset).expect("small disks");
        let bytes = inner.content.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Change::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}

/// Applies a change; of a write, only the sectors for which `keeps` returns true.
pub(super) fn apply(content: &mut Vec<u8>, change: &Change, mut keeps: impl FnMut(usize) -> bool) {
    match change {
        Change::Write(offset, data) => {
            let mut position = usize::try_from(*offset).expect("small disks");
            let mut rest = data.as_slice();
            while !rest.is_empty() && position < content.len() {
                let sector = position / SECTOR_LENGTH;
                let end = ((sector + 1) * SECTOR_LENGTH).min(content.len());
                let length = (end - position).min(rest.len());
                if keeps(sector) {
                    content[position..position + length].copy_from_slice(&rest[..length]);
                }
                rest = &rest[length..];
                position += length;
            }
        }
        Change::Length(length) => {
            let length = usize::try_from(*length).expect("small disks");
            let grown = length.saturating_sub(content.len());
            content.truncate(length);
            // One copy: in a debug build, `resize` takes as long as a commit.
            content.extend_from_slice(&vec![0; grown]);
        }
        Change::Sync => {}
    }
}

/// The content of a disk that held `durable` and lost its power with the changes in `unsynced` not synced.
pub(super) fn after_cut(durable: &[u8], unsynced: &[Change], seed: u64) -> Vec<u8> {
    let mut random = Seeded::new(seed);
    let mut content = durable.to_vec();
    // In a quarter of the runs no write is torn, and in some runs none or all of the writes are there.
    let kept_percent = [0, 10, 50, 90, 100][random.below(5)];
    let tears = random.below(4) != 0;
    let (lengths, mut writes): (Vec<_>, Vec<_>) = unsynced
        .iter()
        .partition(|change| matches!(change, Change::Length(_)));
    random.shuffle(&mut writes);
    let lengths_kept = match kept_percent {
        0 => 0,
        100 => lengths.len(),
        _ => random.below(lengths.len() + 1),
    };
    let mut lengths = lengths.into_iter().take(lengths_kept).peekable();
    for write in writes {
        while lengths.peek().is_some() && random.below(2) == 0 {
            apply(&mut content, lengths.next().expect("peeked"), |_| true);
        }
        if random.below(100) < kept_percent {
            let torn = tears && random.below(2) == 0;
            apply(&mut content, write, |_| !torn || random.below(2) == 0);
        }
    }
    for length in lengths {
        apply(&mut content, length, |_| true);
    }
    content
}
