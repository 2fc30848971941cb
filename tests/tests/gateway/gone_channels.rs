//! Tests of the ledger's records of channels that no longer exist on the chain: when they are removed, and when they
//! are kept.

use std::time::Duration;

use farthing_tests::gateway::World;
use farthing_tests::gateway::account::lane_debited;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_verifier::record::StoredState;
use farthing_verifier::store::{RedbStore, Store};

const MAXIMUM: u64 = 239;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What is in the store's file at this moment.
fn stored(world: &World) -> StoredState {
    let directory = tempfile::tempdir().expect("the test has a directory");
    let copy = directory.path().join("copy.redb");
    std::fs::copy(world.store_path(), &copy).expect("the file can be copied");
    let mut store = RedbStore::open(&copy).expect("it opens");
    store.load().expect("it loads")
}

fn has_books(world: &World) -> bool {
    let state = stored(world);
    assert_eq!(state.channels.is_empty(), state.lanes.is_empty());
    !state.channels.is_empty()
}

async fn paid() -> World {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), MAXIMUM).await.status, 200);
    world
}

/// The chain has the channel no longer, as the verifier learns.
async fn close(world: &World) {
    world.chain.remove(&world.address);
    world.running().poll_chain().await;
}

/// Lets an hour pass, until the settler has asked for the channel again.
async fn an_hour_later(world: &World) {
    let reads = world.chain.reads(&world.address);
    world.clock.advance(HOUR);
    world
        .until("the channel is asked for again", || {
            world.chain.reads(&world.address) > reads
        })
        .await;
}

#[tokio::test]
async fn a_channel_that_owes_nothing_is_forgotten_after_an_hour() {
    let world = paid().await;
    world.running().settle_now().await.expect("the chain is up");
    close(&world).await;
    let reads = world.chain.reads(&world.address);
    world.clock.advance(HOUR - Duration::from_secs(1));
    world.running().settle_now().await.expect("nothing is owed");
    assert_eq!(
        world.chain.reads(&world.address),
        reads,
        "it is too early to ask"
    );
    assert!(has_books(&world));
    world.clock.advance(Duration::from_secs(1));
    world
        .until("the books are forgotten", || !has_books(&world))
        .await;
    assert_eq!(stored(&world), StoredState::default());
}

#[tokio::test]
async fn a_channel_that_owes_is_never_forgotten() {
    let world = paid().await;
    close(&world).await;
    // The second time proves that the first one had its effect.
    an_hour_later(&world).await;
    an_hour_later(&world).await;
    assert!(has_books(&world));
}

#[tokio::test]
async fn what_was_settled_is_known_after_a_restart() {
    let mut world = paid().await;
    world.running().settle_now().await.expect("the chain is up");
    // Closed while no verifier ran.
    world.chain.remove(&world.address);
    world.restart().await;
    assert!(has_books(&world));
    world.clock.advance(HOUR);
    world
        .until("the books are forgotten", || !has_books(&world))
        .await;
}

#[tokio::test]
async fn a_node_that_stands_still_proves_nothing() {
    let world = paid().await;
    world.running().settle_now().await.expect("the chain is up");
    world.chain.set_slots_move(false);
    close(&world).await;
    an_hour_later(&world).await;
    an_hour_later(&world).await;
    assert!(has_books(&world));
}

#[tokio::test]
async fn a_channel_that_comes_back_is_settled() {
    let world = paid().await;
    let account = world.chain.finalized(&world.address).expect("it is there");
    close(&world).await;
    world.chain.put(world.address, account);
    an_hour_later(&world).await;
    // Looked up without anybody asking for it.
    world.running().poll_chain().await;
    world.running().settle_now().await.expect("the chain is up");
    let account = world.chain.finalized(&world.address).expect("it is there");
    assert_eq!(lane_debited(&account.data, 0), 20);
}
