//! Creation of a database file: two cases that redb leaves to its caller.
//!
//! redb writes its magic number last, so that a file whose creation was interrupted by a power cut is not taken for a
//! database; but it then refuses that file for ever. Also, redb never syncs the directory, and some file systems then
//! lose a new file with everything that was synced into it.

use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::StorageBackend;

/// Length of redb's magic number.
const MAGIC_LENGTH: usize = 9;
/// redb's page size, and the length of its header with padding.
const PAGE_LENGTH: u64 = 4_096;
/// How many bytes are read at once.
const BLOCK_LENGTH: usize = 65_536;

/// Empties a file whose creation was interrupted, so that it is created anew. Such a file has no magic number and only
/// zeros after its header, so nothing was ever stored in it. A file that held something and lost its header is left
/// unchanged, and redb refuses it.
pub(super) fn forget_interrupted(backend: &impl StorageBackend) -> io::Result<()> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let locked = match backend.try_lock_range(everything.0, everything.1) {
        Ok(true) => true,
        // Another process has the file open, or is creating it now. redb will report this.
        Ok(false) => return Ok(()),
        // A backend without locks is not shared.
        Err(_) => false,
    };
    let outcome = empty_if_interrupted(backend);
    if locked {
        backend
            .unlock_range(everything.0, everything.1)
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    outcome
}

fn empty_if_interrupted(backend: &impl StorageBackend) -> io::Result<()> {
    let length = backend.len()?;
    if length < PAGE_LENGTH {
        return Ok(());
    }
    let mut magic = [0; MAGIC_LENGTH];
    backend.read(0, &mut magic)?;
    if magic != [0; MAGIC_LENGTH] {
        return Ok(());
    }
    let mut offset = PAGE_LENGTH;
    let zeros = vec![0; BLOCK_LENGTH];
    let mut block = zeros.clone();
    while offset < length {
        let wanted =
            usize::try_from(length - offset).map_or(BLOCK_LENGTH, |rest| rest.min(BLOCK_LENGTH));
        backend.read(offset, &mut block[..wanted])?;
        if block[..wanted] != zeros[..wanted] {
            return Ok(());
        }
        offset += wanted as u64;
    }
    backend.set_len(0)?;
    backend.sync_data()
}

/// Makes the file's directory entry as durable as its content.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Does nothing: a directory can only be synced on Unix.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
