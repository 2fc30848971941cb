//! Tests that a voucher can be verified once and charged once at the facilitator: immediately, later, and after a
//! crash.

use std::time::Duration;

use farthing_tests::gateway::World;
use farthing_tests::gateway::facilitator::{for_amount, passed_on};
use farthing_tests::gateway::world::{MODEL, chat};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{books, reason};

const MANY: usize = 50;

#[tokio::test]
async fn a_voucher_is_verified_once_however_often_it_is_shown() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    let answers = join_all((0..MANY).map(|_| world.ask("/verify", &payment))).await;
    let answers: Vec<Value> = answers.iter().map(|answer| answer.json()).collect();
    let good = answers.iter().filter(|told| told["isValid"] == json!(true));
    assert_eq!(good.count(), 1);
    let used = answers.iter().filter(|told| reason(told) == "voucher_used");
    assert_eq!(used.count(), MANY - 1);
    assert_eq!(books(&world), (0, 300));
}

#[tokio::test]
async fn a_payment_is_settled_once_however_often_it_is_asked_for() {
    let world = World::facilitator().await;
    let (verified, direct) = (world.passed_on(1_000, 300), world.passed_on(1_500, 200));
    world.verify(&verified).await;
    for (payment, total) in [(verified, 300), (direct, 500)] {
        let told = join_all((0..MANY).map(|_| world.settle(&payment))).await;
        assert!(told.iter().all(|again| *again == told[0]), "{told:?}");
        assert_eq!(told[0]["extra"]["chargedTotal"], total.to_string());
        assert_eq!(books(&world), (total, 0));
    }
}

#[tokio::test]
async fn of_two_amounts_one_is_charged() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    let (less, least) = (for_amount(&payment, 200), for_amount(&payment, 100));
    let (less, least) = tokio::join!(world.ask("/settle", &less), world.ask("/settle", &least));
    let (less, least) = (less.json(), least.json());
    let reasons = [reason(&less), reason(&least)];
    match reasons {
        ["none", "duplicate_settlement"] => assert_eq!(books(&world), (200, 0)),
        ["duplicate_settlement", "none"] => assert_eq!(books(&world), (100, 0)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_voucher_buys_here_or_there() {
    let world = World::facilitator().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let held = world.passed_on(1_000, 300);
    world.verify(&held).await;
    let header = world.agent(0).pay(&accepted, 1_000);
    let answer = world.send(&body, Some(&header)).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "voucher_used")
    );

    let header = world.agent(0).pay(&accepted, 2_000);
    assert_eq!(world.send(&body, Some(&header)).await.status, 200);
    let spent = passed_on(&world.agent(0), &world.terms(300), 2_000);
    for path in ["/verify", "/settle"] {
        let told = world.ask(path, &spent).await.json();
        assert_eq!(reason(&told), "voucher_used");
    }
    world.settle(&held).await;
    assert_eq!(world.charged_at_rest().await, 320);
}

#[tokio::test]
async fn a_restart_between_loses_nothing_and_doubles_nothing() {
    for crashes in [false, true] {
        let mut world = World::facilitator().await;
        let payment = world.passed_on(1_000, 300);
        world.verify(&payment).await;
        if crashes {
            world.crash().await;
        } else {
            world.restart().await;
        }
        assert_eq!(books(&world), (0, 300), "its seller may be serving");
        let told = world.ask("/verify", &payment).await.json();
        assert_eq!(reason(&told), "voucher_used");
        let told = world.settle(&payment).await;
        assert_eq!(books(&world), (300, 0));

        if crashes {
            world.crash().await;
        } else {
            world.restart().await;
        }
        assert_eq!(
            world.settle(&payment).await,
            told,
            "byte by byte, receipt included"
        );
        assert_eq!(books(&world), (300, 0));
    }
}

#[tokio::test]
async fn a_restart_gives_the_whole_time_again_and_no_more() {
    let mut world = World::facilitator().await;
    let (first, second) = (world.passed_on(1_000, 300), world.passed_on(1_001, 300));
    world.verify(&first).await;
    world.verify(&second).await;
    world.clock.advance(Duration::from_secs(200));
    world.restart().await;
    world.clock.advance(Duration::from_secs(299));
    world.settle(&first).await;
    world.clock.advance(Duration::from_secs(1));
    world
        .until("the other is released", || books(&world) == (300, 0))
        .await;
    // Also after a restart without the facilitator, who must not hold anything for ever.
    let third = world.passed_on(1_400, 300);
    world.running().poll_chain().await;
    world.verify(&third).await;
    world.reconfigure(|config| config.facilitator = None);
    world.restart().await;
    assert_eq!(books(&world), (300, 300));
    world.clock.advance(Duration::from_secs(300));
    world
        .until("it is released", || books(&world) == (300, 0))
        .await;
}
