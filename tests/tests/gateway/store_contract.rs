//! Runs the store's contract tests with a store backend that is defined in another crate.

use std::path::Path;

use farthing_tests::gateway::store::{FragileStore, StoreSwitch};
use farthing_verifier::store::{RedbStore, Store, conformance};

fn open(path: &Path) -> Box<dyn Store> {
    let inner = RedbStore::open(path).expect("the file opens");
    Box::new(FragileStore::new(Box::new(inner), StoreSwitch::default()))
}

#[test]
fn a_backend_of_another_crate_conforms() {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let path = directory.path().join("store.redb");
    conformance::check(|| open(&path));
}
