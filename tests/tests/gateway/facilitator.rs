//! Tests of other servers that sell through the verifier as a facilitator: a verified payment is reserved, a settled
//! payment is charged once, and unauthorized requests are refused.

mod guards;
mod once;

use std::time::Duration;

use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_tests::gateway::World;
use farthing_tests::gateway::facilitator::{
    facilitating, for_amount, passed_on, payer, with_identifier,
};
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_verifier::config::PricingConfig;
use farthing_wire::receipt::verify;
use serde_json::{Value, json};

/// Charged in total and reserved, of lane 0; nothing if nobody has paid with its channel.
fn books(world: &World) -> (u64, u64) {
    let verifier = world.running();
    let lane = verifier.lane(&world.address, LaneIndex(0), Generation(0));
    lane.map_or((0, 0), |lane| (lane.charged.0, lane.reserved.0))
}

/// Why a payment is not verified or settled.
fn reason(told: &Value) -> &str {
    let reason = told["invalidReason"]
        .as_str()
        .or(told["errorReason"].as_str());
    reason.unwrap_or("none")
}

#[tokio::test]
async fn what_is_verified_is_reserved_and_what_is_settled_is_charged() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    assert_eq!(books(&world), (0, 300));
    let told = world.settle(&payment).await;
    assert_eq!(books(&world), (300, 0));

    let mut figures = told.clone();
    let receipt = figures["extra"]["receipt"].take();
    let expected = json!({
        "success": true,
        "payer": payer(&world),
        "transaction": "",
        "network": world.terms(1).network,
        "amount": "300",
        "extra": {
            "state": "charged",
            "charged": "300",
            "chargedTotal": "300",
            "reserved": "0",
            "authorized": "1000",
            "deposit": "5000000",
            "receipt": null,
        },
    });
    assert_eq!(figures, expected);
    let receipt = receipt.as_str().expect("a charge has a receipt");
    let claims = verify(receipt, &world.channel.settler).expect("the settler signed it");
    assert_eq!(claims.charged, BaseUnits(300));
    assert_eq!(
        (claims.request, claims.sold),
        (None, None),
        "who only charges does not know what was served"
    );
}

#[tokio::test]
async fn what_other_servers_ask_is_counted() {
    let world = World::configured(|config| {
        facilitating(config);
        config.admin.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    let held = [
        ("farthing_held_payments", 1.),
        ("farthing_reservations", 1.),
        ("farthing_reserved_base_units", 300.),
    ];
    world.scraped(held).await;
    world.settle(&payment).await;
    for _ in 0..2 {
        let again = world.ask("/verify", &payment).await.json();
        assert_eq!(reason(&again), "voucher_used");
    }
    let stranger = world.ask_with("/settle", None, &payment).await;
    assert_eq!(stranger.code(), "token_invalid");
    let asked = |outcome: &str| {
        format!("farthing_requests_total{{endpoint=\"facilitator\",outcome=\"{outcome}\"}}")
    };
    world
        .scraped([
            (&asked("verified"), 1.),
            (&asked("settled"), 1.),
            (&asked("voucher_used"), 2.),
            (&asked("token_invalid"), 1.),
            ("farthing_held_payments", 0.),
            ("farthing_reservations", 0.),
            ("farthing_charged_base_units_total", 300.),
        ])
        .await;
}

#[tokio::test]
async fn less_may_be_settled_than_was_verified() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    let more = world
        .ask("/settle", &for_amount(&payment, 301))
        .await
        .json();
    // The client accepted 300.
    assert_eq!(reason(&more), "payment_requirements_mismatch");
    let mut more = for_amount(&payment, 301);
    more["paymentPayload"]["accepted"]["amount"] = json!("301");
    let more = world.ask("/settle", &more).await.json();
    assert_eq!(reason(&more), "settlement_exceeds_amount");
    assert_eq!(books(&world), (0, 300));

    let less = for_amount(&payment, 120);
    assert_eq!(world.settle(&less).await["amount"], "120");
    assert_eq!(books(&world), (120, 0));
    for amount in [0, 119, 121, 300] {
        let other = world.ask("/settle", &for_amount(&payment, amount)).await;
        assert_eq!(
            (other.status, reason(&other.json())),
            (200, "duplicate_settlement")
        );
    }
    assert_eq!(books(&world), (120, 0));
}

#[tokio::test]
async fn who_settles_without_verifying_is_paid_once() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    let told = world.settle(&payment).await;
    assert_eq!(books(&world), (300, 0));
    assert_eq!(world.settle(&payment).await, told);
    let late = world.ask("/verify", &payment).await.json();
    assert_eq!(reason(&late), "voucher_used");
    assert_eq!(books(&world), (300, 0));
}

#[tokio::test]
async fn settling_nothing_releases_what_is_held() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    let nothing = for_amount(&payment, 0);
    for _ in 0..2 {
        let told = world.settle(&nothing).await;
        assert_eq!((&told["amount"], books(&world)), (&json!("0"), (0, 0)));
    }
    let late = world.ask("/settle", &payment).await.json();
    assert_eq!(reason(&late), "voucher_used");
    // Nothing was held, so nothing happened.
    let unseen = world.passed_on(2_000, 300);
    world.settle(&for_amount(&unseen, 0)).await;
    world.verify(&unseen).await;
}

#[tokio::test]
async fn what_is_not_settled_in_time_is_released() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    world.clock.advance(Duration::from_secs(299));
    world.running().poll_chain().await;
    let other = world.passed_on(1_001, 300);
    world.verify(&other).await;
    assert_eq!(books(&world), (0, 600));
    world.clock.advance(Duration::from_secs(1));
    world
        .until("the first is released by itself", || {
            books(&world) == (0, 300)
        })
        .await;
    let told = world.ask("/settle", &payment).await;
    assert_eq!((told.status, reason(&told.json())), (200, "voucher_used"));
    let told = world.ask("/verify", &payment).await.json();
    assert_eq!(reason(&told), "voucher_used");
    world.settle(&other).await;
    assert_eq!(books(&world), (300, 0));
}

#[tokio::test]
async fn a_held_payment_is_charged_whatever_the_chain_says_meanwhile() {
    let mut world = World::facilitator().await;
    let (first, second) = (world.passed_on(1_000, 300), world.passed_on(1_100, 300));
    world.verify(&first).await;
    world.verify(&second).await;
    world.change_channel(|channel| channel.closing = true).await;
    world.settle(&first).await;
    let new = world.passed_on(2_000, 300);
    for path in ["/verify", "/settle"] {
        let told = world.ask(path, &new).await.json();
        assert_eq!(reason(&told), "channel_closing");
    }
    // No node tells anything any longer.
    world.chain.set_up(false);
    world.clock.advance(Duration::from_secs(60));
    world.settle(&second).await;
    let told = world.ask("/settle", &new).await;
    assert_eq!(
        (told.status, reason(&told.json())),
        (503, "chain_unavailable")
    );
    assert_eq!(books(&world), (600, 0));
}

#[tokio::test]
async fn an_identifier_is_paid_for_once() {
    const ID: &str = "pay_0123456789abcdef";
    let world = World::facilitator().await;
    let payment = with_identifier(&world.passed_on(1_000, 300), ID);
    let again = with_identifier(&world.passed_on(1_001, 300), ID);
    world.verify(&payment).await;
    for _ in 0..2 {
        let told = world.ask("/verify", &again).await.json();
        assert_eq!(reason(&told), "idempotency_key_reused");
        let told = world.ask("/settle", &again).await.json();
        assert_eq!(reason(&told), "idempotency_key_reused");
        world.settle(&payment).await;
    }
    assert_eq!(books(&world), (300, 0));
    // What cost nothing may be tried anew.
    let released = with_identifier(&world.passed_on(2_000, 300), "pay_fedcba9876543210");
    world.verify(&released).await;
    world.settle(&for_amount(&released, 0)).await;
    let anew = with_identifier(&world.passed_on(2_001, 300), "pay_fedcba9876543210");
    world.verify(&anew).await;
}

#[tokio::test]
async fn a_verifier_may_sell_nothing_itself() {
    let world = World::configured(|config| {
        facilitating(config);
        config.http.upstream = None;
        config.pricing = PricingConfig::default();
    })
    .await;
    let answer = world.send(&chat(MODEL, false), None).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (404, "model_not_priced")
    );
    world.settle(&world.passed_on(1_000, 300)).await;
    assert_eq!(books(&world), (300, 0));
}

#[tokio::test]
async fn what_is_charged_is_settled_on_the_chain() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    world.verify(&payment).await;
    world.settle(&payment).await;
    let other = passed_on(&world.agent(1), &world.terms(200), 200);
    assert_eq!(world.ask("/settle", &other).await.json()["success"], true);
    let report = world.running().settle_now().await.expect("the chain is up");
    assert_eq!(report.base_units, BaseUnits(500));
}
