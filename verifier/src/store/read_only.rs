//! A file that is read and never written: what the database writes to it stays in memory.
//!
//! redb repairs a database that was not closed when it opens it, and rewrites its allocator when it checks it. A
//! read-only opening must not change the file, and must still see what the next start will see.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// Unit in which writes are kept in memory.
const BLOCK_LENGTH: u64 = 4_096;

type Block = [u8; BLOCK_LENGTH as usize];

#[derive(Debug)]
struct Contents {
    length: u64,
    /// Up to where unwritten bytes are read from the file; beyond, they are zero.
    from_file: u64,
    written: BTreeMap<u64, Box<Block>>,
}

/// A file opened for reading, with everything written over it kept in memory.
#[derive(Debug)]
pub(super) struct ReadOnlyFile {
    file: FileBackend,
    contents: Mutex<Contents>,
}

impl ReadOnlyFile {
    /// Wraps a file that was opened for reading.
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        let length = file.metadata()?.len();
        Ok(Self {
            file: FileBackend::new(file)?,
            contents: Mutex::new(Contents {
                length,
                from_file: length,
                written: BTreeMap::new(),
            }),
        })
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let poisoned = |_| io::Error::other("a thread panicked while it read the file");
        self.contents.lock().map_err(poisoned)
    }

    /// Reads a block: the written one, or else the file's.
    fn block(&self, contents: &Contents, number: u64) -> io::Result<Block> {
        if let Some(block) = contents.written.get(&number) {
            return Ok(**block);
        }
        let mut block = [0; BLOCK_LENGTH as usize];
        let start = number * BLOCK_LENGTH;
        let length = contents.from_file.saturating_sub(start).min(BLOCK_LENGTH);
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if length > 0 {
            self.file.read(start, &mut block[..length])?;
        }
        Ok(block)
    }
}

/// Splits a range into parts within one block each: the block's number, the offset in it, and the length.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset + done as u64;
        // Less than a block, so it fits.
        let within = (position % BLOCK_LENGTH) as usize;
        let count = (BLOCK_LENGTH as usize - within).min(length - done);
        done += count;
        (count > 0).then_some((position / BLOCK_LENGTH, within, count))
    })
}

fn within(contents: &Contents, offset: u64, length: usize) -> io::Result<()> {
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > contents.length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

impl StorageBackend for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock()?.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let contents = self.lock()?;
        within(&contents, offset, out.len())?;
        if contents.written.is_empty() && offset + out.len() as u64 <= contents.from_file {
            return self.file.read(offset, out);
        }
        let mut done = 0;
        for (number, start, count) in parts(offset, out.len()) {
            let block = self.block(&contents, number)?;
            out[done..done + count].copy_from_slice(&block[start..start + count]);
            done += count;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut contents = self.lock()?;
        if let Some((&number, _)) = contents.written.range(length / BLOCK_LENGTH..).next()
            && number * BLOCK_LENGTH < length
            && let Some(block) = contents.written.get_mut(&number)
        {
            // Bytes that are cut off must read as zero when the file grows again.
            block[(length % BLOCK_LENGTH) as usize..].fill(0);
        }
        let first_beyond = length.div_ceil(BLOCK_LENGTH);
        contents.written.split_off(&first_beyond);
        contents.from_file = contents.from_file.min(length);
        contents.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut contents = self.lock()?;
        within(&contents, offset, data.len())?;
        let mut done = 0;
        for (number, start, count) in parts(offset, data.len()) {
            let mut block = self.block(&contents, number)?;
            block[start..start + count].copy_from_slice(&data[done..done + count]);
            contents.written.insert(number, Box::new(block));
            done += count;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // The database asks for exclusive locks, because it does not know that its writes stay in memory. Shared locks are
    // taken instead: they keep every writer out, allow other readers, and are the only ones that a file opened for
    // reading can have.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::{Strategy, any, prop_oneof};
    use proptest::{collection, proptest};

    use super::*;

    /// Two blocks and a bit.
    const LENGTH: u64 = 2 * BLOCK_LENGTH + 100;
    const MOST: u64 = 4 * BLOCK_LENGTH;

    #[derive(Debug, Clone)]
    enum Change {
        Length(u64),
        Write(u64, Vec<u8>),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..MOST).prop_map(Change::Length),
            (0..MOST, collection::vec(any::<u8>(), 0..6_000))
                .prop_map(|(offset, data)| Change::Write(offset, data)),
        ]
    }

    proptest! {
        #[test]
        fn reads_like_a_file_that_was_written(changes in collection::vec(change(), 0..12)) {
            let directory = tempfile::tempdir().expect("the test has a directory");
            let path = directory.path().join("file");
            let original: Vec<u8> = (0..LENGTH).map(|byte| (byte % 251) as u8 + 1).collect();
            fs::write(&path, &original).expect("writable");
            let file = ReadOnlyFile::new(File::open(&path).expect("readable")).expect("a file");
            let mut model = original.clone();
            for change in changes {
                match change {
                    Change::Length(length) => {
                        file.set_len(length).expect("memory");
                        model.resize(length as usize, 0);
                    }
                    Change::Write(offset, data) => {
                        let end = offset as usize + data.len();
                        let fits = end <= model.len();
                        assert_eq!(file.write(offset, &data).is_ok(), fits);
                        if fits {
                            model[offset as usize..end].copy_from_slice(&data);
                        }
                    }
                }
                assert_eq!(file.len().expect("a length"), model.len() as u64);
                let mut all = vec![0; model.len()];
                file.read(0, &mut all).expect("within the file");
                assert_eq!(all, model);
                assert!(file.read(1, &mut vec![0; model.len()]).is_err());
            }
            assert_eq!(fs::read(&path).expect("readable"), original);
        }
    }
}
