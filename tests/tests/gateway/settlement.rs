//! Tests of settlement: charges are settled on-chain when they are due, exactly once, and despite failures on the way.

use std::time::Duration;

use farthing_chain::token::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM};
use farthing_chain::{Token, USDC_MINT_DEVNET, associated_token_address};
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::World;
use farthing_tests::gateway::chain::{BLOCKHASH_LIFE, Landing};
use farthing_tests::gateway::world::{LANES, MODEL, chat};
use farthing_verifier::SettleError;
use farthing_verifier::config::UsdcAmount;
use farthing_verifier::ports::Delivery;

async fn pay_on_lane(world: &World, lane: u16, authorized: u64) {
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(lane).pay(&accepted, authorized);
    assert_eq!(world.send(&body, Some(&payment)).await.status, 200);
}

#[tokio::test]
async fn one_transaction_settles_many_lanes() {
    let world = World::start().await;
    for lane in 0..LANES {
        pay_on_lane(&world, lane, 1_000).await;
    }
    let report = world.running().settle_now().await.expect("the chain is up");
    assert_eq!((report.rounds, report.transactions.len()), (1, 1));
    assert_eq!(report.base_units, BaseUnits(20 * u64::from(LANES)));
    for lane in 0..LANES {
        assert_eq!(world.debited(lane), 20);
    }
    let (transaction, _) = world.chain.sent().remove(0);
    assert!(transaction.verify().is_ok(), "the settler signed it");
    // Nothing is owed, so nothing more is sent.
    world.running().settle_now().await.expect("the chain is up");
    assert_eq!(world.chain.sent().len(), 1);
    // Later charges settle on top.
    pay_on_lane(&world, 1, 2_000).await;
    world.running().settle_now().await.expect("the chain is up");
    assert_eq!(world.debited(1), 40);
}

#[tokio::test]
async fn tokens_of_token_2022_are_paid_by_their_own_program() {
    let world = World::configured(|config| config.chain.token_program = TOKEN_2022_PROGRAM).await;
    pay_on_lane(&world, 0, 1_000).await;
    world.running().settle_now().await.expect("the chain is up");
    let (transaction, _) = world.chain.sent().remove(0);
    let accounts = transaction.message.account_keys;
    let token = Token {
        mint: USDC_MINT_DEVNET,
        program: TOKEN_2022_PROGRAM,
    };
    let payee_account = associated_token_address(&world.channel.payee, &token);
    assert!(accounts.contains(&payee_account));
    assert!(accounts.contains(&TOKEN_2022_PROGRAM) && !accounts.contains(&TOKEN_PROGRAM));
}

#[tokio::test]
async fn settles_by_itself_when_enough_is_owed() {
    let world =
        World::configured(|config| config.settler.min_amount = UsdcAmount(BaseUnits(40))).await;
    pay_on_lane(&world, 0, 1_000).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.chain.sent().len(), 0);
    pay_on_lane(&world, 1, 1_000).await;
    world
        .until("it is settled", || {
            world.running().report().base_units.0 == 40
        })
        .await;
}

#[tokio::test]
async fn settles_by_itself_when_something_is_owed_for_long() {
    let world = World::configured(|config| config.settler.max_age = Duration::from_secs(60)).await;
    pay_on_lane(&world, 0, 1_000).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.chain.sent().len(), 0);
    world.clock.advance(Duration::from_secs(60));
    world
        .until("it is settled", || {
            world.running().report().base_units.0 == 20
        })
        .await;
}

#[tokio::test]
async fn settles_a_closing_channel_at_once() {
    let mut world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.change_channel(|channel| channel.closing = true).await;
    world
        .until("it is settled", || {
            world.running().report().base_units.0 == 20
        })
        .await;
}

#[tokio::test]
async fn a_lost_transaction_is_sent_again_and_planned_anew_only_when_it_cannot_land() {
    let world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.chain.set_landing(Landing::Lost);
    let settling = world.running().settle_now();
    let test = async {
        world
            .until("it is sent", || !world.chain.sent().is_empty())
            .await;
        world.clock.advance(Duration::from_secs(1));
        world
            .until("it is sent again", || world.chain.sent().len() >= 2)
            .await;
        let sent = world.chain.sent();
        assert_eq!(sent[0].1, Delivery::First);
        assert_eq!(sent[1].1, Delivery::Again);
        assert_eq!(
            sent[0].0, sent[1].0,
            "the same transaction, not another one"
        );
        // The last height at which it may land is not past it.
        world.chain.pass_blocks(BLOCKHASH_LIFE);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(
            world
                .chain
                .sent()
                .iter()
                .all(|(other, _)| *other == sent[0].0)
        );
        world.chain.set_landing(Landing::Final);
        world.chain.pass_blocks(1);
        sent[0].0.clone()
    };
    let (report, first) = futures_util::future::join(settling, test).await;
    assert_eq!(report.expect("the second lands").base_units, BaseUnits(20));
    let last = world.chain.sent().pop().expect("something was sent").0;
    assert_ne!(last, first, "it was planned anew");
    assert_eq!(world.debited(0), 20);
}

#[tokio::test]
async fn a_restart_follows_what_was_pending() {
    let mut world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.chain.set_landing(Landing::Lost);
    tokio::select! {
        _ = world.running().settle_now() => panic!("it was lost"),
        () = world.until("it is sent", || !world.chain.sent().is_empty()) => {}
    }
    let first = world.chain.sent().remove(0).0;

    world.chain.set_landing(Landing::Final);
    world.crash().await;
    world
        .until("it is settled", || {
            world.running().report().base_units.0 == 20
        })
        .await;
    let signature = world.running().report().transactions[0];
    assert_eq!(
        signature, first.signatures[0],
        "the recorded transaction, not another one"
    );
    assert_eq!(world.debited(0), 20);
    let report = world.running().settle_now().await.expect("nothing is owed");
    assert_eq!((report.rounds, report.transactions.len()), (0, 1));
}

#[tokio::test]
async fn a_restart_settles_what_was_charged_before() {
    let mut world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.restart().await;
    // No request has named the channel since.
    let report = world.running().settle_now().await.expect("the chain is up");
    assert_eq!(report.base_units, BaseUnits(20));
    assert_eq!(world.debited(0), 20);
}

#[tokio::test]
async fn what_lands_and_is_not_final_is_waited_for() {
    let world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.chain.set_landing(Landing::Seen);
    let settling = world.running().settle_now();
    let test = async {
        world
            .until("it is sent", || !world.chain.sent().is_empty())
            .await;
        world.clock.advance(Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(
            world.chain.sent().len(),
            1,
            "what was seen is not sent again"
        );
        assert_eq!(world.running().report().base_units, BaseUnits::ZERO);
        world.chain.finalize();
    };
    let (report, ()) = futures_util::future::join(settling, test).await;
    assert_eq!(report.expect("it is final").base_units, BaseUnits(20));
}

#[tokio::test]
async fn repeated_failures_are_told_and_nothing_is_lost() {
    let world = World::start().await;
    pay_on_lane(&world, 0, 1_000).await;
    world.chain.set_landing(Landing::Fail);
    let settling = world.running().settle_now();
    let test = async {
        // Each failure is followed by a longer pause.
        for attempts in 1..=3 {
            world
                .until("it is tried", || world.chain.sent().len() >= attempts)
                .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(world.chain.sent().len(), attempts);
            world.clock.advance(Duration::from_secs(300));
        }
    };
    let (outcome, ()) = futures_util::future::join(settling, test).await;
    let channel = world.address;
    let reason = "custom program error".to_owned();
    assert_eq!(outcome, Err(SettleError::Failed { channel, reason }));
    world.chain.set_landing(Landing::Final);
    world.clock.advance(Duration::from_secs(300));
    let report = world.running().settle_now().await.expect("now it lands");
    assert_eq!(report.base_units, BaseUnits(20));
}

#[tokio::test]
async fn a_shutdown_without_a_chain_keeps_what_is_owed() {
    let mut world =
        World::configured(|config| config.settler.shutdown_timeout = Duration::from_millis(300))
            .await;
    pay_on_lane(&world, 0, 1_000).await;
    world.chain.set_up(false);
    let verifier = world.verifier.take().expect("it runs");
    let outcome = verifier.shutdown().await;
    assert_eq!(outcome, Err(SettleError::TimedOut { seconds: 0 }));
    world.chain.set_up(true);
    world.restart().await;
    let report = world.running().settle_now().await.expect("the chain is up");
    assert_eq!(report.base_units, BaseUnits(20));
}
