//! Tests of every guard of the facilitator, with its exact error code.

use farthing_protocol::BaseUnits;
use farthing_tests::gateway::World;
use farthing_tests::gateway::facilitator::{
    TOKEN, facilitating, for_amount, passed_on, with_identifier,
};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;

use super::{books, reason};

#[tokio::test]
async fn it_is_off_unless_it_is_configured() {
    let world = World::start().await;
    let payment = world.passed_on(1_000, 300);
    for path in ["/verify", "/settle"] {
        let answer = world.ask(path, &payment).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "route_not_sold")
        );
    }
    let answer = world.http.get(world.url("/supported")).send().await;
    assert_eq!(answer.expect("the verifier answers").status(), 404);
    assert_eq!(books(&world), (0, 0));
}

#[tokio::test]
async fn who_shows_no_token_changes_nothing() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    let (longer, shorter) = (
        format!("Bearer {TOKEN}0"),
        format!("Bearer {}", &TOKEN[1..]),
    );
    let basic = format!("Basic {TOKEN}");
    let wrong = [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some(TOKEN),
        Some(&longer),
        Some(&shorter),
        Some(&basic),
    ];
    for path in ["/verify", "/settle"] {
        for authorization in wrong {
            let answer = world.ask_with(path, authorization, &payment).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "token_invalid"),
                "{authorization:?}"
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let twice = world.http.post(world.url(path)).json(&payment);
        let twice = twice.bearer_auth(TOKEN).bearer_auth(TOKEN).send().await;
        assert_eq!(twice.expect("the verifier answers").status(), 401);
        let answer = world
            .http
            .post(world.url(path))
            .body("not JSON")
            .send()
            .await
            .expect("the verifier answers");
        assert_eq!(answer.status(), 401, "the token comes first");
    }
    assert_eq!(books(&world), (0, 0));
}

#[tokio::test]
async fn what_is_supported_is_public() {
    let world = World::facilitator().await;
    let answer = world.http.get(world.url("/supported")).send().await;
    let told: Value = answer
        .expect("the verifier answers")
        .json()
        .await
        .expect("it is JSON");
    let settler = world.channel.settler.to_string();
    let expected = json!({
        "kinds": [{
            "x402Version": 2,
            "scheme": "prepaid-escrow",
            "network": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
            "extra": {
                "program": world.config().chain.program.to_string(),
                "settler": settler,
                "graceSeconds": 172_800,
                "minDeposit": "0",
            },
        }],
        "extensions": ["payment-identifier"],
        "signers": {"solana:*": [settler]},
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_no_payment_is_refused() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    for path in ["/verify", "/settle"] {
        for body in [
            json!(null),
            json!({}),
            json!({"x402Version": 2, "paymentPayload": payment["paymentPayload"]}),
            for_amount(&payment, 300)["paymentRequirements"].clone(),
        ] {
            let answer = world.ask(path, &body).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "invalid_request")
            );
        }
        let mut negative = payment.clone();
        negative["paymentRequirements"]["amount"] = json!("-1");
        assert_eq!(world.ask(path, &negative).await.status, 400);
    }
    assert_eq!(books(&world), (0, 0));
}

#[tokio::test]
async fn every_rule_of_a_payment_is_named() {
    let world = World::facilitator().await;
    let payment = world.passed_on(1_000, 300);
    let other = Pubkey::new_unique().to_string();
    let other = other.as_str();
    let signature = world.passed_on(1_001, 300)["paymentPayload"]["payload"]["signature"].clone();
    let changes = [
        ("/x402Version", json!(1), "invalid_x402_version"),
        (
            "/paymentPayload/x402Version",
            json!(1),
            "invalid_x402_version",
        ),
        (
            "/paymentRequirements/scheme",
            json!("exact"),
            "unsupported_scheme",
        ),
        (
            "/paymentRequirements/network",
            json!("solana:other"),
            "invalid_network",
        ),
        (
            "/paymentRequirements/asset",
            json!(other),
            "invalid_payment_requirements",
        ),
        (
            "/paymentRequirements/payTo",
            json!(other),
            "invalid_payment_requirements",
        ),
        (
            "/paymentRequirements/extra/program",
            json!(other),
            "invalid_payment_requirements",
        ),
        (
            "/paymentRequirements/extra",
            json!({}),
            "invalid_payment_requirements",
        ),
        (
            "/paymentPayload/accepted/scheme",
            json!("exact"),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/accepted/network",
            json!("solana:other"),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/accepted/asset",
            json!(other),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/accepted/payTo",
            json!(other),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/accepted/extra/program",
            json!(other),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/accepted/amount",
            json!("299"),
            "payment_requirements_mismatch",
        ),
        (
            "/paymentPayload/payload",
            json!({"transaction": "AA=="}),
            "invalid_payload",
        ),
        (
            "/paymentPayload/payload/channel",
            json!(other),
            "channel_unknown",
        ),
        ("/paymentPayload/payload/lane", json!(4), "lane_unknown"),
        (
            "/paymentPayload/payload/lane",
            json!(1),
            "signature_invalid",
        ),
        (
            "/paymentPayload/payload/generation",
            json!(1),
            "generation_mismatch",
        ),
        (
            "/paymentPayload/payload/authorized",
            json!("1001"),
            "signature_invalid",
        ),
        (
            "/paymentPayload/payload/signature",
            signature,
            "signature_invalid",
        ),
    ];
    for path in ["/verify", "/settle"] {
        for (pointer, value, expected) in &changes {
            let mut changed = payment.clone();
            *changed.pointer_mut(pointer).expect("a known field") = value.clone();
            let answer = world.ask(path, &changed).await;
            let told = answer.json();
            assert_eq!(
                (answer.status, reason(&told)),
                (200, *expected),
                "{pointer}: {told}"
            );
            let is_told = [&told["isValid"], &told["success"]].contains(&&json!(false));
            assert!(is_told, "{told}");
        }
        for id in [json!("short"), json!(7)] {
            let mut changed = with_identifier(&payment, "0123456789abcdef");
            changed["paymentPayload"]["extensions"]["payment-identifier"]["info"]["id"] = id;
            let told = world.ask(path, &changed).await.json();
            assert_eq!(reason(&told), "idempotency_key_invalid");
        }
        let too_little = passed_on(&world.agent(0), &world.terms(301), 300);
        let told = world.ask(path, &too_little).await.json();
        assert_eq!(reason(&told), "ceiling_below_need");
    }
    for seconds in [0_u64, 901, u64::MAX] {
        let mut terms = world.terms(300);
        terms.max_timeout_seconds = seconds;
        let payment = passed_on(&world.agent(0), &terms, 1_000);
        let told = world.ask("/verify", &payment).await.json();
        assert_eq!(reason(&told), "invalid_payment_requirements", "{seconds}");
    }
    let nothing = world.ask("/verify", &for_amount(&payment, 0)).await.json();
    assert_eq!(reason(&nothing), "invalid_payment_requirements");
    assert_eq!(books(&world), (0, 0), "nothing was changed");
    // The voucher is as good as before.
    world.verify(&payment).await;
}

#[tokio::test]
async fn a_client_is_told_of_its_lane_as_by_a_402() {
    let world = World::facilitator().await;
    world.settle(&world.passed_on(1_000, 900)).await;
    let told = world
        .ask("/verify", &world.passed_on(1_001, 300))
        .await
        .json();
    assert_eq!(reason(&told), "ceiling_below_need");
    let state = &told["extra"]["voucherState"];
    assert_eq!(
        (&state["charged"], &state["authorized"]),
        (&json!("900"), &json!("1000"))
    );
    assert_eq!(told["extra"]["channelState"]["deposit"], "5000000");
    // Whoever shows a used voucher may have read it on the chain.
    let told = world
        .ask("/verify", &world.passed_on(1_000, 1))
        .await
        .json();
    assert_eq!(reason(&told), "voucher_used");
    assert_eq!(told["extra"]["voucherState"], json!(null));
}

#[tokio::test]
async fn no_more_payments_are_held_than_may_be() {
    let world = World::configured(|config| {
        facilitating(config);
        let facilitator = config.facilitator.as_mut();
        facilitator.expect("it was just set").max_held_payments = 2;
    })
    .await;
    let payments = [1_000, 1_001, 1_002].map(|value| world.passed_on(value, 300));
    world.verify(&payments[0]).await;
    world.verify(&payments[1]).await;
    let answer = world.ask("/verify", &payments[2]).await;
    assert_eq!((answer.status, reason(&answer.json())), (503, "overloaded"));
    // A charge needs no room.
    world.settle(&world.passed_on(1_003, 50)).await;
    world.settle(&payments[0]).await;
    world.verify(&payments[2]).await;
    assert_eq!(world.lane(0).reserved, BaseUnits(600));
}

#[tokio::test]
async fn a_failed_store_verifies_and_settles_nothing() {
    let mut world = World::facilitator().await;
    let held = world.passed_on(1_000, 300);
    world.verify(&held).await;
    world.store.fail();
    let new = world.passed_on(1_001, 300);
    for (path, payment) in [
        ("/verify", &new),
        ("/settle", &held),
        ("/settle", &new),
        ("/settle", &held),
    ] {
        let answer = world.ask(path, payment).await;
        assert_eq!(
            (answer.status, reason(&answer.json())),
            (503, "store_unavailable")
        );
    }
    // What is not known to be written did not happen.
    world.restart().await;
    assert_eq!(books(&world), (0, 300));
    world.settle(&held).await;
    assert_eq!(books(&world), (300, 0));
}
