//! Damaged files: bits flipped, cut short, or not a database at all. Either the store reports the damage and names the
//! file, or the damaged part held nothing and the state is right.

use std::fs;
use std::path::Path;

use super::RedbStore;
use super::disk::Disk;
use crate::record::StoredState;
use crate::store::conformance::seeded::Seeded;
use crate::store::conformance::workload::Workload;
use crate::store::{Store, StoreError};

const PAGE_LENGTH: usize = 4_096;
/// Magic number, geometry and the two commit slots.
const HEADER_LENGTH: usize = 320;
/// The header's byte that says which slot is the current one. No checksum covers it.
const CURRENT_SLOT: usize = 9;

fn open(path: &Path) -> Result<StoredState, StoreError> {
    RedbStore::open(path)?.load()
}

fn read(content: Vec<u8>) -> Result<StoredState, StoreError> {
    let disk = Disk::holding(content);
    let mut store = RedbStore::over(disk.clone(), Path::new("damaged.redb"))?;
    let state = store.load();
    disk.turn_off();
    state
}

/// The content of a store that was closed, or whose process died, and the states before and after its last commit.
fn written(closed: bool) -> (Vec<u8>, [StoredState; 2]) {
    let workload = Workload::new(5, 30, 20);
    let disk = Disk::default();
    let mut store =
        RedbStore::over(disk.clone(), Path::new("damaged.redb")).expect("an empty disk opens");
    store.load().expect("an empty store loads");
    for records in &workload.commits {
        store.commit(records).expect("the disk works");
    }
    if !closed {
        disk.turn_off();
    }
    drop(store);
    let [.., before, last] = workload.states.as_slice() else {
        panic!("the workload has commits")
    };
    (disk.content(), [before.clone(), last.clone()])
}

/// Flips one bit at each place, one place at a time. Returns how many were detected.
fn flips(content: &[u8], places: impl Iterator<Item = usize>, states: &[StoredState; 2]) -> usize {
    let mut noticed = 0;
    let mut random = Seeded::new(6);
    for place in places {
        let mut content = content.to_vec();
        content[place] ^= 1 << random.below(8);
        match read(content) {
            Ok(state) if state == states[1] => {}
            Ok(state) => {
                assert!(
                    place == CURRENT_SLOT && state == states[0],
                    "byte {place}: another state"
                );
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("damaged.redb"), "byte {place}: {message}");
                noticed += 1;
            }
        }
    }
    noticed
}

#[test]
fn flipped_bits_are_noticed_or_harmless() {
    for closed in [true, false] {
        let (content, states) = written(closed);
        let in_header = flips(&content, 0..HEADER_LENGTH, &states);
        let mut random = Seeded::new(7);
        let pages = content.len() / PAGE_LENGTH;
        // Several places in each page that holds something, and one in some of the empty pages.
        let places = (1..pages).flat_map(|page| {
            let bytes = &content[page * PAGE_LENGTH..][..PAGE_LENGTH];
            let times = if bytes == [0; PAGE_LENGTH] {
                usize::from(page % 32 == 0)
            } else {
                6
            };
            let places: Vec<_> = (0..times)
                .map(|_| page * PAGE_LENGTH + random.below(PAGE_LENGTH))
                .collect();
            places
        });
        let places: Vec<_> = places.collect();
        let in_pages = flips(&content, places.iter().copied(), &states);
        println!(
            "closed {closed}: {in_header} of {HEADER_LENGTH} in the header, {in_pages} of {} in pages",
            places.len()
        );
        assert!(in_header >= 50 && in_pages >= 10);
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    for closed in [true, false] {
        let (content, states) = written(closed);
        let mut random = Seeded::new(8);
        for _ in 0..40 {
            let length = 1 + random.below(content.len() - 1);
            let outcome = read(content[..length].to_vec());
            match outcome {
                // What was cut off held nothing.
                Ok(state) => assert_eq!(state, states[1], "{length} bytes"),
                Err(error) => assert!(error.to_string().contains("damaged.redb"), "{error}"),
            }
        }
        let half = read(content[..PAGE_LENGTH * 2].to_vec()).expect_err("its data is gone");
        assert!(matches!(half, StoreError::Damaged(_)), "{half}");
    }
}

/// The one flipped bit that cannot be detected, as the contract of the store says.
#[test]
fn the_bit_that_names_the_last_commit_leads_back_by_one_at_most() {
    for (closed, state) in [(true, 1), (false, 0)] {
        let (mut content, states) = written(closed);
        content[CURRENT_SLOT] ^= 1;
        match read(content) {
            Ok(found) => assert_eq!(found, states[state], "closed {closed}"),
            // Closing cut the file to what the last commit needs.
            Err(error) => assert!(closed && matches!(error, StoreError::Damaged(_)), "{error}"),
        }
    }
}

#[test]
fn a_lost_header_is_no_new_store() {
    let (mut content, _) = written(true);
    content[..PAGE_LENGTH].fill(0);
    let error = read(content).expect_err("its header is gone");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[test]
fn something_else_is_not_opened_and_not_changed() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let file = directory.path().join("farthing.toml");
    let text = "[store]\npath = \"farthing.redb\"\n".repeat(500);
    fs::write(&file, &text).expect("writable");
    let error = open(&file).expect_err("it is no database");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("farthing.toml"), "{error}");
    assert_eq!(fs::read_to_string(&file).expect("readable"), text);

    let error = open(directory.path()).expect_err("it is a directory");
    let name = directory.path().display().to_string();
    assert!(error.to_string().contains(&name), "{error}");

    let nowhere = directory.path().join("missing").join("store.redb");
    let error = open(&nowhere).expect_err("there is no such directory");
    assert!(error.to_string().contains("store.redb"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    open(&path).expect("a new store opens");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("it is ours");
    // The superuser needs no permission, and nothing is tested.
    if fs::File::open(&path).is_err() {
        let error = open(&path).expect_err("there is no permission");
        assert!(error.to_string().contains("store.redb"), "{error}");
    }
}

/// A file of zeros is what an interrupted creation leaves; an empty file is what a creation begins with.
#[test]
fn an_empty_file_is_a_new_store() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    for content in [Vec::new(), vec![0; 100 * PAGE_LENGTH]] {
        fs::write(&path, content).expect("writable");
        assert_eq!(open(&path).expect("it opens"), StoredState::default());
    }
}
