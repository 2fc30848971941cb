//! Two processes that open one file. The other process is this test program, started again with an environment variable
//! that tells it to hold the store.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{RedbStore, key, lane};
use crate::record::Record;
use crate::store::{Store, StoreError};

const PATH_VARIABLE: &str = "FARTHING_TEST_HELD_STORE";
const HOLDS: &str = "the other process holds the store";

/// In the other process: commits, prints that it holds the store, and waits to be killed. In a normal run: does
/// nothing.
#[test]
fn the_other_process() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else {
        return;
    };
    let mut store = RedbStore::open(Path::new(&path)).expect("the file opens");
    store.load().expect("an empty store loads");
    store
        .commit(&[Record::Lane(key(1), lane(7))])
        .expect("a commit succeeds");
    println!("{HOLDS}");
    // Ends when the test ends, because its input is closed then.
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("a test has a program"))
        .args([
            "--exact",
            "store::tests::two_processes::the_other_process",
            "--nocapture",
        ])
        .env(PATH_VARIABLE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts again")
}

#[test]
fn a_file_in_use_is_refused_until_its_process_is_gone() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("held.redb");
    let mut other = start(&path);
    let output = BufReader::new(other.stdout.take().expect("it is piped"));
    let mut lines = output.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains(HOLDS)),
        "the other process came so far"
    );

    let error = RedbStore::open(&path).expect_err("it is open elsewhere");
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    assert!(error.to_string().contains("held.redb"), "{error}");

    other.kill().expect("it runs");
    other.wait().expect("it ends");
    let mut store = RedbStore::open(&path).expect("nobody has it open");
    let state = store.load().expect("a killed process leaves a store");
    assert_eq!(state.lanes, vec![(key(1), lane(7))]);
}
