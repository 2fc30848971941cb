//! Tests that a voucher pays for one request only: when it is replayed immediately, later, after a restart, or after it
//! was settled on the chain.

use std::time::Duration;

use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Behaviour, World};

#[tokio::test]
async fn a_voucher_sent_a_thousand_times_at_once_buys_one_service() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_millis(50), 10, 5));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    // Far above the need, so that only the rule of one use stands in the way.
    let payment = world.agent(0).pay(&accepted, 900_000);
    let requests = (0..1_000).map(|_| world.send(&body, Some(&payment)));
    let answers = futures_util::future::join_all(requests).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (402, "voucher_used")
        );
        let way = answer.required().accepts.remove(0);
        let extra = way.escrow_extra().expect("extra is complete");
        assert_eq!(extra.voucher_state, None, "a replay learns nothing");
    }
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(world.charged_at_rest().await, 20);
}

#[tokio::test]
async fn a_restart_forgets_no_voucher_and_no_charge() {
    let mut world = World::start().await;
    let body = chat(MODEL, false);
    for value in [1_000, 900, 2_000] {
        assert_eq!(world.pay(&body, value).await.status, 200);
    }
    world.restart().await;
    assert_eq!(world.pay(&body, 5_000).await.status, 200);
    assert_eq!(world.charged_at_rest().await, 80);
    for value in [1_000, 900, 2_000, 5_000, 80, 1] {
        let answer = world.pay(&body, value).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (402, "voucher_used"),
            "{value}"
        );
    }
    // Slack between used values can still be spent.
    assert_eq!(world.pay(&body, 1_001).await.status, 200);
    assert_eq!(world.charged_at_rest().await, 100);
}

#[tokio::test]
async fn a_crash_forgets_no_voucher_and_charges_the_last_checkpoint() {
    let mut world = World::start().await;
    world.upstream.behave(Behaviour::StallAfterOne);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let mut stream = world.begin(&body, Some(&payment)).await;
    stream
        .chunk()
        .await
        .expect("the stream begins")
        .expect("with a piece");
    world.two_checkpoints().await;

    world.crash().await;
    drop(stream);
    world.upstream.behave(Behaviour::Answer(10, 5));
    let answer = world.send(&body, Some(&payment)).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "voucher_used")
    );
    // A quarter of the input's 39 bytes, and of the four bytes that were streamed.
    assert_eq!(world.charged_at_rest().await, 10 + 2);
}

#[tokio::test]
async fn a_voucher_seen_on_the_chain_buys_nothing() {
    let mut world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    assert_eq!(world.send(&body, Some(&payment)).await.status, 200);
    world.running().settle_now().await.expect("the chain is up");
    let answer = world.send(&body, Some(&payment)).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "voucher_used")
    );

    // The store is lost: what was used is unknown, so the lane is not served at all.
    world.reconfigure(|config| {
        let path = config.store.path.with_file_name("empty.redb");
        config.store.path = path;
    });
    world.restart().await;
    for value in [1_000, 2_000] {
        let answer = world.pay(&body, value).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "store_behind_chain")
        );
    }
    // The other lanes were never used.
    let payment = world.agent(1).pay(&accepted, 1_000);
    assert_eq!(world.send(&body, Some(&payment)).await.status, 200);
}
