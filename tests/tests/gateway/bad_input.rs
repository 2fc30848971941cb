//! Tests that bad input is refused with the exact status and code, and changes nothing.

use bytesize::ByteSize;
use farthing_protocol::{BaseUnits, Domain};
use farthing_tests::gateway::agent::payment;
use farthing_tests::gateway::world::{CAP, DEPOSIT, MODEL, chat, lane_key};
use farthing_tests::gateway::{Answer, World};
use farthing_wire::x402::{PAYMENT_SIGNATURE, PaymentRequirements, encode_header};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;

const MAXIMUM: u64 = 239;

/// The refusal changes nothing: no counter moved, the upstream saw nothing, and the voucher that would
/// have been right still buys.
async fn changed_nothing(world: &World) {
    assert_eq!(world.upstream.received().len(), 0, "nothing was served");
    if let Some(lane) = world.running().lane(
        &world.address,
        farthing_protocol::LaneIndex(0),
        farthing_protocol::Generation(0),
    ) {
        assert_eq!(lane.authorized, BaseUnits::ZERO);
        assert_eq!(
            (lane.charged, lane.reserved),
            (BaseUnits::ZERO, BaseUnits::ZERO)
        );
    }
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!((answer.status, answer.charged()), (200, 20));
}

/// What a test does to a way to pay.
type Change<'a> = &'a dyn Fn(&mut PaymentRequirements);

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.json();
    assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
    let refusal = answer.payment().expect("a refused payment is told so");
    assert!(!refusal.success);
    assert_eq!(refusal.error_reason.as_deref(), Some(code));
    if status == 402 {
        assert_eq!(answer.required().error.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn payment_headers() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let good = world.agent(0).pay(&accepted, MAXIMUM);
    let url_safe = format!("-_{}", &good[2..]);
    for (header, status, code) in [
        ("", 400, "payment_header_malformed"),
        ("not base64!", 400, "payment_header_malformed"),
        (url_safe.as_str(), 400, "payment_header_malformed"),
        (&good[..good.len() - 5], 400, "payment_header_malformed"),
        ("bm90IGpzb24=", 400, "payment_header_malformed"),
        ("W10=", 400, "payment_header_malformed"),
        (&"A".repeat(16 * 1024 + 4), 431, "headers_too_large"),
    ] {
        let answer = world.send(&body, Some(header)).await;
        assert_refused(&answer, status, code);
    }
    for headers in [
        vec![
            (PAYMENT_SIGNATURE, good.as_str()),
            (PAYMENT_SIGNATURE, good.as_str()),
        ],
        vec![(PAYMENT_SIGNATURE, good.as_str()), ("payment-info", "x")],
    ] {
        let mut request = world
            .http
            .post(world.url("/v1/chat/completions"))
            .json(&body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("the gateway answers");
        assert_refused(
            &Answer::read(response).await,
            400,
            "payment_header_malformed",
        );
    }
    changed_nothing(&world).await;
}

#[tokio::test]
async fn payment_payloads() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let good = serde_json::to_value(world.agent(0).payload(MAXIMUM)).expect("it serialises");
    let changed = |name: &str, value: Value| {
        let mut payload = good.clone();
        payload[name] = value;
        payload
    };
    for payload in [
        json!({}),
        json!("voucher"),
        changed("type", json!("deposit")),
        changed("channel", json!("0OIl")),
        changed("channel", json!(7)),
        changed("lane", json!(-1)),
        changed("lane", json!(65_536)),
        changed("lane", json!("0")),
        changed("generation", json!(1.5)),
        changed("authorized", json!(MAXIMUM)),
        changed("authorized", json!("-1")),
        changed("authorized", json!("18446744073709551616")),
        changed("signature", json!("abc")),
        changed("signature", Value::Null),
    ] {
        let answer = world
            .send(&body, Some(&payment(&accepted, payload.clone())))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "payment_malformed"),
            "{payload}"
        );
        assert_refused(&answer, 400, "payment_malformed");
    }
    let other_version = encode_header(&json!({
        "x402Version": 1, "payload": good, "accepted": accepted,
    }));
    let answer = world.send(&body, Some(&other_version)).await;
    assert_refused(&answer, 400, "payment_malformed");
    changed_nothing(&world).await;
}

#[tokio::test]
async fn ways_to_pay_that_are_not_offered() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let offered = world.requirements(&body).await;
    let other = Pubkey::new_unique().to_string();
    let changes: [(&str, Change); 7] = [
        ("scheme", &|way| way.scheme = "exact".to_owned()),
        ("network", &|way| {
            way.network = farthing_wire::x402::NETWORK_MAINNET.to_owned()
        }),
        ("asset", &|way| way.asset = other.clone()),
        ("payTo", &|way| way.pay_to = other.clone()),
        ("extra.program", &|way| way.extra["program"] = json!(other)),
        ("extra.program", &|way| way.extra = Value::Null),
        ("amount", &|way| way.amount = BaseUnits(MAXIMUM - 1)),
    ];
    for (field, change) in changes {
        let mut accepted = offered.clone();
        change(&mut accepted);
        let answer = world
            .send(&body, Some(&world.agent(0).pay(&accepted, MAXIMUM)))
            .await;
        assert_refused(&answer, 402, "payment_requirements_mismatch");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(field), "{message}");
    }
    // Hints that change from one 402 to the next are not compared, and a higher amount will do.
    let mut accepted = offered;
    accepted.amount = BaseUnits(MAXIMUM + 1);
    accepted.extra["recentSlot"] = json!(5);
    let answer = world
        .send(&body, Some(&world.agent(0).pay(&accepted, MAXIMUM + 1)))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn vouchers() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let good = world.agent(0);
    let mut other_lane = good.clone();
    other_lane.lane = 1;
    let mut no_lane = good.clone();
    no_lane.lane = 999;
    let mut other_generation = good.clone();
    other_generation.generation = 1;
    let mut other_signer = good.clone();
    other_signer.key = lane_key(3);
    // Another program, another cluster or another incarnation: each has another domain.
    let mut other_domain = good.clone();
    other_domain.domain = Domain([1; 32]);
    let mut other_channel = good.clone();
    other_channel.channel = Pubkey::new_unique();
    for (agent, code) in [
        (&other_lane, "signature_invalid"),
        (&no_lane, "lane_unknown"),
        (&other_generation, "generation_mismatch"),
        (&other_signer, "signature_invalid"),
        (&other_domain, "signature_invalid"),
        (&other_channel, "channel_unknown"),
    ] {
        let answer = world
            .send(&body, Some(&agent.pay(&accepted, MAXIMUM)))
            .await;
        assert_refused(&answer, 402, code);
        let way = answer.required().accepts.remove(0);
        let extra = way.escrow_extra().expect("extra is complete");
        assert_eq!(
            extra.voucher_state, None,
            "only the lane's key learns the lane's state"
        );
        assert_eq!(extra.channel_state.is_some(), code != "channel_unknown");
    }
    // One flipped bit anywhere in the signature.
    for byte in [0, 31, 32, 63] {
        let mut payload = serde_json::to_value(good.payload(MAXIMUM)).expect("it serialises");
        let signature = payload["signature"].as_str().expect("a signature is text");
        let signature: solana_sdk::signature::Signature = signature.parse().expect("base58");
        let mut bytes = <[u8; 64]>::from(signature);
        bytes[byte] ^= 1;
        payload["signature"] = json!(solana_sdk::signature::Signature::from(bytes).to_string());
        let answer = world.send(&body, Some(&payment(&accepted, payload))).await;
        assert_refused(&answer, 402, "signature_invalid");
    }
    changed_nothing(&world).await;
}

#[tokio::test]
async fn a_signature_of_one_value_does_not_pay_for_another() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let mut payload = serde_json::to_value(world.agent(0).payload(MAXIMUM)).expect("it serialises");
    payload["authorized"] = json!((MAXIMUM + 1).to_string());
    let answer = world.send(&body, Some(&payment(&accepted, payload))).await;
    assert_refused(&answer, 402, "signature_invalid");
    changed_nothing(&world).await;
}

#[tokio::test]
async fn amounts() {
    let mut world = World::start().await;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM - 1).await;
    assert_refused(&answer, 402, "ceiling_below_need");
    let way = answer.required().accepts.remove(0);
    let extra = way.escrow_extra().expect("extra is complete");
    let state = extra
        .voucher_state
        .expect("a valid, unused voucher is told the state");
    assert_eq!(
        (state.authorized, state.charged),
        (BaseUnits::ZERO, BaseUnits::ZERO)
    );
    let channel = extra.channel_state.expect("the channel is known");
    assert_eq!(
        (channel.deposit, channel.closing),
        (BaseUnits(DEPOSIT), false)
    );

    let answer = world.pay(&chat(MODEL, false), CAP + 1).await;
    assert_refused(&answer, 402, "ceiling_above_cap");
    world
        .change_channel(|channel| channel.lanes[0].cap = u64::MAX)
        .await;
    let answer = world
        .pay(&chat(MODEL, false), u64::from(u32::MAX) + 1)
        .await;
    assert_refused(&answer, 402, "ceiling_too_far_ahead");
    world
        .change_channel(|channel| channel.deposit = MAXIMUM - 1)
        .await;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_refused(&answer, 402, "deposit_exhausted");
    world
        .change_channel(|channel| channel.deposit = DEPOSIT)
        .await;
    changed_nothing(&world).await;

    // The state lets a client that forgot everything go on.
    let answer = world.pay(&chat(MODEL, false), MAXIMUM + 10).await;
    assert_refused(&answer, 402, "ceiling_below_need");
    let way = answer.required().accepts.remove(0);
    let state = way.escrow_extra().expect("extra is complete").voucher_state;
    let state = state.expect("a valid, unused voucher is told the state");
    assert_eq!(
        (state.authorized, state.charged),
        (BaseUnits(MAXIMUM), BaseUnits(20))
    );
    let voucher = farthing_protocol::Voucher {
        domain: Domain(world.channel.domain),
        lane: farthing_protocol::LaneIndex(0),
        generation: farthing_protocol::Generation(0),
        authorized: state.authorized,
    };
    let signature = state.signature.expect("a voucher was signed");
    assert!(signature.verify(&world.channel.lanes[0].signer, &voucher.to_bytes(),));
}

#[tokio::test]
async fn bodies() {
    let world = World::configured(|config| config.http.max_body_bytes = ByteSize(4_096)).await;
    let with = |name: &str, value: Value| {
        let mut body = chat(MODEL, false);
        body[name] = value;
        body.to_string()
    };
    let cases = [
        ("".to_owned(), 400, "invalid_request", Some("body")),
        ("{".to_owned(), 400, "invalid_request", Some("body")),
        ("[]".to_owned(), 400, "invalid_request", Some("body")),
        (
            json!({"prompt": "hi"}).to_string(),
            400,
            "invalid_request",
            Some("model"),
        ),
        (
            with("messages", json!("hi")),
            400,
            "invalid_request",
            Some("messages"),
        ),
        (
            with("max_tokens", json!(0)),
            400,
            "invalid_request",
            Some("max_tokens"),
        ),
        (
            with("audio", json!({"voice": "a"})),
            400,
            "field_not_bounded",
            Some("audio"),
        ),
        (
            with("model", json!("gpt-9")),
            404,
            "model_not_priced",
            Some("model"),
        ),
        ("x".repeat(4_097), 413, "body_too_large", None),
    ];
    let accepted = world.requirements(&chat(MODEL, false)).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    for (body, status, code, param) in cases {
        let request = world.http.post(world.url("/v1/chat/completions"));
        let request = request
            .header(PAYMENT_SIGNATURE, &payment)
            .body(body.clone());
        let answer = Answer::read(request.send().await.expect("the gateway answers")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
        assert_eq!(answer.json()["error"]["param"].as_str(), param, "{body}");
    }
    changed_nothing(&world).await;
}

#[tokio::test]
async fn headers_that_are_too_large() {
    let world = World::configured(|config| config.http.max_header_bytes = ByteSize(2_048)).await;
    let request = world
        .http
        .get(world.url("/v1/models"))
        .header("x-filler", "x".repeat(2_048));
    let answer = Answer::read(request.send().await.expect("the gateway answers")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (431, "headers_too_large")
    );
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_bounded_as_well() {
    let world = World::configured(|config| config.http.max_body_bytes = ByteSize(4_096)).await;
    let chunks = (0..8).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1_024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = world
        .http
        .post(world.url("/v1/chat/completions"))
        .body(body);
    let answer = Answer::read(request.send().await.expect("the gateway answers")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
}
