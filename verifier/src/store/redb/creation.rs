//! The first moments of a database file, which redb leaves to its caller.
//!
//! redb writes its magic number last, so that a file that power left half made is not taken for a
//! database; it then refuses the file for ever. And it never syncs the directory, without which
//! some file systems lose a new file with everything that was synced into it.

use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::StorageBackend;

/// Length of redb's magic number.
const MAGIC_LENGTH: usize = 9;
/// redb's page size, and the length of its header with padding.
const PAGE_LENGTH: u64 = 4_096;
/// Bytes that are read at once.
const BLOCK_LENGTH: usize = 65_536;

/// Empties a file whose creation was interrupted, so that it is begun anew. Such a file has no
/// magic number and not one byte behind its header; nothing was ever stored in it. A file that did
/// hold something and lost its header is left alone, for redb to refuse.
pub(super) fn forget_interrupted(backend: &impl StorageBackend) -> io::Result<()> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let locked = match backend.try_lock_range(everything.0, everything.1) {
        Ok(true) => true,
        // Another process has it, perhaps because it is making it just now. redb will say so.
        Ok(false) => return Ok(()),
        // A backend without locks has no second user.
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

/// Makes the file's name as durable as its content.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere a directory cannot be synced, and its file system is trusted with it.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
