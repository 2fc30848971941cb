//! What a client pays that disconnects before its answer is complete.

use std::time::Duration;

use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Behaviour, World};
use farthing_verifier::prices::WhenClientLeaves;
use serde_json::json;

/// A quarter of the input's bound, for a client that leaves before anything else is known.
const INPUT_ESTIMATE: u64 = 10;

/// Asks, and disconnects once the upstream has been asked and a while has passed.
async fn leave(world: &World, value: u64, stream: bool, after: Duration) {
    let asked = world.upstream.received().len();
    let accepted = world.requirements(&chat(MODEL, stream)).await;
    let payment = world.agent(0).pay(&accepted, value);
    let body = chat(MODEL, stream);
    let sending = world.send(&body, Some(&payment));
    let leaving = async {
        world
            .until("the upstream is asked", || {
                world.upstream.received().len() > asked
            })
            .await;
        tokio::time::sleep(after).await;
    };
    tokio::select! {
        answer = sending => panic!("it comes too early: {answer:?}"),
        () = leaving => {}
    }
}

/// Measures the model's pace: 5 tokens in each tenth of a second.
async fn measure(world: &World) -> u64 {
    let pace = Duration::from_millis(100);
    world.upstream.behave(Behaviour::AnswerAfter(pace, 10, 5));
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let agent = world.agent(0);
    let payments: Vec<String> = (1..=20_u64)
        .map(|number| agent.pay(&accepted, number * 1_000))
        .collect();
    let answers = payments
        .iter()
        .map(|payment| world.send(&body, Some(payment)));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.charged(), 20);
    }
    world.charged_at_rest().await
}

#[tokio::test]
async fn a_whole_answer_that_is_abandoned_costs_what_was_likely_produced() {
    let world = World::start().await;
    let before = measure(&world).await;
    let slow = Duration::from_secs(30);
    world.upstream.behave(Behaviour::AnswerAfter(slow, 10, 5));
    leave(&world, 50_000, false, Duration::from_millis(400)).await;
    let charged = world.charged_at_rest().await - before;
    // Up to five tokens in each tenth of a second, at two base units each.
    assert!(
        (INPUT_ESTIMATE + 4..=INPUT_ESTIMATE + 60).contains(&charged),
        "{charged}"
    );
    assert_eq!(charged % 2, 0);
}

#[tokio::test]
async fn nothing_is_estimated_before_it_was_measured_or_against_the_setting() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_secs(30), 10, 5));
    leave(&world, 1_000, false, Duration::from_millis(200)).await;
    assert_eq!(world.charged_at_rest().await, INPUT_ESTIMATE);

    let world = World::configured(|config| config.pricing.estimate_abandoned = false).await;
    let before = measure(&world).await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_secs(30), 10, 5));
    leave(&world, 50_000, false, Duration::from_millis(300)).await;
    assert_eq!(world.charged_at_rest().await - before, INPUT_ESTIMATE);
}

#[tokio::test]
async fn an_estimate_is_never_above_what_was_reserved() {
    let world = World::start().await;
    let before = measure(&world).await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_secs(60), 10, 5));
    let mut body = chat(MODEL, false);
    body["max_tokens"] = json!(2);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 50_000);
    let asked = world.upstream.received().len();
    tokio::select! {
        answer = world.send(&body, Some(&payment)) => panic!("it comes too early: {answer:?}"),
        () = async {
            world.until("it is asked", || world.upstream.received().len() > asked).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        } => {}
    }
    assert_eq!(
        world.charged_at_rest().await - before,
        INPUT_ESTIMATE + 2 * 2
    );
}

#[tokio::test]
async fn an_answer_may_be_finished_without_its_client() {
    let world = World::configured(|config| {
        if let Some(model) = config.pricing.models.get_mut(MODEL) {
            model.when_client_leaves = WhenClientLeaves::Finish;
        }
    })
    .await;
    let pause = Duration::from_millis(200);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    leave(&world, 1_000, false, Duration::ZERO).await;
    assert_eq!(world.charged_at_rest().await, 20);
    world
        .upstream
        .behave(Behaviour::Echo(Duration::from_millis(50)));
    leave(&world, 2_000, true, Duration::from_millis(20)).await;
    let charged = world.charged_at_rest().await - 20;
    // Four words in, and four out.
    assert_eq!(charged, 4 + 2 * 4);
    assert_eq!(world.upstream.streams_open(), 0);
}
