//! The real database on a disk that fills up.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use farthing_protocol::BaseUnits;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::{RedbStore, Writer, key, lane};
use crate::record::Record;
use crate::store::Store;

/// A disk with a limited capacity, which can be raised later while the content stays.
#[derive(Debug, Clone)]
struct SmallDisk {
    disk: Arc<InMemoryBackend>,
    capacity: Arc<AtomicU64>,
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if length > self.capacity.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }
}

fn open(disk: &SmallDisk) -> RedbStore {
    RedbStore::over(disk.clone(), Path::new("small.redb")).expect("the database opens")
}

#[tokio::test]
async fn a_full_disk_fails_the_store_and_loses_nothing_acknowledged() {
    let disk = SmallDisk {
        disk: Arc::new(InMemoryBackend::new()),
        capacity: Arc::new(AtomicU64::new(u64::MAX)),
    };
    let mut store = open(&disk);
    store.load().expect("an empty store loads");
    let length = disk.len().expect("memory has a length");
    disk.capacity.store(4 * length, Ordering::SeqCst);
    let writer = Writer::start(Box::new(store)).expect("there is a thread");
    let mut acknowledged = None;
    for round in 0..1_000_000 {
        let mut records = vec![Record::Lane(key(1), lane(round))];
        let values = (0..1_000).map(|value| BaseUnits(round * 1_000 + value));
        records.extend(values.map(|value| Record::Used(key(1), value)));
        match writer.enqueue(records).durable().await {
            Ok(()) => acknowledged = Some(round),
            Err(_) => break,
        }
    }
    assert!(writer.has_failed(), "the disk is full");
    writer.close();

    // With more space, a new start continues from the last acknowledged commit.
    disk.capacity.store(u64::MAX, Ordering::SeqCst);
    let state = open(&disk).load().expect("what was acknowledged is there");
    let acknowledged = acknowledged.expect("there was room for a while");
    assert_eq!(state.lanes, vec![(key(1), lane(acknowledged))]);
    assert_eq!(state.used.len() as u64, (acknowledged + 1) * 1_000);
}
