//! Tests of prices by endpoint, tier and pattern: what is sold, what is refused, and what it costs.

use farthing_protocol::BaseUnits;
use farthing_tests::gateway::paying::paying_client_with;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};
use farthing_verifier::config::{ModelConfig, TierConfig, UsdcAmount};
use farthing_wire::x402::{PAYMENT_SIGNATURE, PaymentRequirements};
use serde_json::{Value, json};

const PRIORITY: &str = "priority";

async fn post(world: &World, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = world.http.post(world.url(path)).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.expect("the gateway answers")).await
}

/// Pays the first way that is offered.
async fn buy(world: &World, path: &str, body: &Value, authorized: u64) -> Answer {
    let accepted = post(world, path, body, &[])
        .await
        .required()
        .accepts
        .remove(0);
    let payment = world.agent(0).pay(&accepted, authorized);
    post(world, path, body, &[(PAYMENT_SIGNATURE, payment.as_str())]).await
}

fn answers(world: &World, body: &Value) {
    world.upstream.behave(Behaviour::Raw {
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: Box::leak(body.to_string().into_boxed_str()),
    });
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn every_endpoint_refuses_what_has_no_bound() {
    let world = World::start().await;
    for (path, body) in [
        (
            "/v1/completions",
            json!({"model": MODEL, "prompt": "a", "best_of": 2}),
        ),
        (
            "/v1/embeddings",
            json!({"model": MODEL, "input": "a", "models": ["b"]}),
        ),
        (
            "/v1/responses",
            json!({"model": MODEL, "input": "a", "background": true}),
        ),
    ] {
        let answer = post(&world, path, &body, &[]).await;
        assert_eq!(
            code(&answer),
            (400, "field_not_bounded".to_owned()),
            "{path}"
        );
    }
    for path in ["/v1/completions", "/v1/embeddings", "/v1/responses"] {
        let body = json!({"model": "other", "input": "a", "prompt": "a"});
        let answer = post(&world, path, &body, &[]).await;
        assert_eq!(
            code(&answer),
            (404, "model_not_priced".to_owned()),
            "{path}"
        );
    }
    let answer = post(
        &world,
        "/v1/images/generations",
        &json!({"model": MODEL}),
        &[],
    )
    .await;
    assert_eq!(code(&answer), (404, "route_not_sold".to_owned()));
    assert!(world.upstream.received().is_empty());
}

#[tokio::test]
async fn every_endpoint_is_charged_by_its_usage() {
    let world = World::start().await;
    let mut total = 0;
    for (path, body, answer, charged) in [
        (
            "/v1/completions",
            json!({"model": MODEL, "prompt": "one two"}),
            json!({"choices": [{"text": "three"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
            3 + 2 * 4,
        ),
        (
            "/v1/embeddings",
            json!({"model": MODEL, "input": ["one", "two"]}),
            json!({"data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}),
            5,
        ),
        (
            "/v1/responses",
            json!({"model": MODEL, "input": "one two"}),
            json!({"output": [], "usage": {"input_tokens": 6, "output_tokens": 7}}),
            6 + 2 * 7,
        ),
        // Nobody counted: two tokens of input, and none of output.
        (
            "/v1/embeddings",
            json!({"model": MODEL, "input": ["one", "two"]}),
            json!({"data": []}),
            2,
        ),
    ] {
        answers(&world, &answer);
        let bought = buy(&world, path, &body, 10_000 + total).await;
        assert_eq!(bought.status, 200, "{path}");
        assert_eq!(bought.json(), answer, "{path}");
        assert_eq!(bought.charged(), charged, "{path}");
        total += charged;
    }
    assert_eq!(world.charged_at_rest().await, total);
    let received = world.upstream.received();
    assert_eq!(received[2].body["store"], json!(false));
    assert_eq!(received[2].body["max_output_tokens"], json!(100));
}

fn model(input: u64) -> ModelConfig {
    ModelConfig {
        input_per_million: UsdcAmount(BaseUnits(input)),
        max_output_tokens: 100,
        ..ModelConfig::default()
    }
}

async fn with_tiers() -> World {
    World::configured(|config| {
        let tier = TierConfig {
            models: [("dem*".to_owned(), model(5_000_000))].into(),
            upstream_headers: [("x-priority".to_owned(), "1".to_owned())].into(),
        };
        config.pricing.tiers.insert(PRIORITY.to_owned(), tier);
    })
    .await
}

fn tier_of(accepted: &PaymentRequirements) -> Option<String> {
    accepted.escrow_extra().expect("extra is complete").tier
}

#[tokio::test]
async fn a_client_chooses_among_tiers() {
    let world = with_tiers().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    let body = chat(MODEL, false);
    let path = "/v1/chat/completions";
    let accepts = post(&world, path, &body, &[]).await.required().accepts;
    assert_eq!(accepts.len(), 2);
    assert_eq!(tier_of(&accepts[0]), None);
    assert_eq!(tier_of(&accepts[1]).as_deref(), Some(PRIORITY));
    assert_ne!(accepts[0].amount, accepts[1].amount);

    let pay = |accepted: &PaymentRequirements, authorized| world.agent(0).pay(accepted, authorized);
    let payment = pay(&accepts[0], 10_000);
    let answer = post(
        &world,
        path,
        &body,
        &[(PAYMENT_SIGNATURE, payment.as_str())],
    )
    .await;
    assert_eq!(answer.charged(), 10 + 2 * 5);
    let payment = pay(&accepts[1], 10_001);
    let answer = post(
        &world,
        path,
        &body,
        &[(PAYMENT_SIGNATURE, payment.as_str())],
    )
    .await;
    assert_eq!(answer.charged(), 5 * 10);
    let received = world.upstream.received();
    assert!(!received[0].headers.contains_key("x-priority"));
    assert_eq!(received[1].headers["x-priority"], "1");

    // The price of one tier does not buy another, nor does a tier that is not offered.
    let mut cheap = accepts[1].clone();
    cheap.amount = BaseUnits(accepts[1].amount.0 - 1);
    let mut other = accepts[0].clone();
    other.extra["tier"] = json!("none");
    for (accepted, authorized) in [(cheap, 10_002), (other, 10_003)] {
        let payment = pay(&accepted, authorized);
        let answer = post(
            &world,
            path,
            &body,
            &[(PAYMENT_SIGNATURE, payment.as_str())],
        )
        .await;
        assert_eq!(
            code(&answer),
            (402, "payment_requirements_mismatch".to_owned())
        );
    }
}

#[tokio::test]
async fn the_rust_client_buys_in_its_tier() {
    let world = with_tiers().await;
    world.upstream.behave(Behaviour::Answer(10, 5));
    let url = world.url("");
    let in_tier = |lane, tier: Option<&str>| {
        let tier = tier.map(str::to_owned);
        paying_client_with(&world, lane, &url, |config| config.tier = tier)
    };
    for (lane, tier, charged) in [
        (0, None, 10 + 2 * 5),
        (1, Some("standard"), 10 + 2 * 5),
        (2, Some(PRIORITY), 5 * 10),
    ] {
        let client = in_tier(lane, tier);
        // The second time the price is known.
        for _ in 0..2 {
            let answer = client.chat(chat(MODEL, false)).await.expect("it is sold");
            let answer = answer.finish().await.expect("it is whole");
            let receipt = answer.receipt.expect("it was paid");
            assert_eq!(receipt.charged, BaseUnits(charged), "{tier:?}");
        }
    }
    let served = world.upstream.received().len();
    let refused = in_tier(3, Some("none")).chat(chat(MODEL, false)).await;
    let error = refused.expect_err("nobody offers that").to_string();
    let expected = "it has no tier none, but these: ";
    assert!(
        error.contains(expected) && error.contains("priority"),
        "{error}"
    );
    assert_eq!(world.upstream.received().len(), served);
}

#[tokio::test]
async fn a_header_asks_for_one_tier() {
    let world = with_tiers().await;
    let body = chat(MODEL, false);
    let path = "/v1/chat/completions";
    let asked = post(&world, path, &body, &[("farthing-tier", PRIORITY)]).await;
    let accepts = asked.required().accepts;
    assert_eq!(accepts.len(), 1);
    assert_eq!(tier_of(&accepts[0]).as_deref(), Some(PRIORITY));
    let asked = post(&world, path, &body, &[("farthing-tier", "standard")]).await;
    assert_eq!(tier_of(&asked.required().accepts[0]), None);
    let asked = post(&world, path, &body, &[("farthing-tier", "none")]).await;
    assert_eq!(code(&asked), (404, "tier_not_sold".to_owned()));
    let twice = [("farthing-tier", PRIORITY), ("farthing-tier", "standard")];
    let asked = post(&world, path, &body, &twice).await;
    assert_eq!(code(&asked), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn whoever_looks_finds_everything_that_is_sold() {
    let world = with_tiers().await;
    let url = world.url("/.well-known/x402");
    let response = world.http.get(url).send().await.expect("it answers");
    let catalogue: Value = response.json().await.expect("JSON");
    let resources = catalogue["resources"].as_array().expect("a list");
    assert_eq!(resources.len(), 6);
    for resource in resources {
        let url = resource["resource"].as_str().expect("a URL");
        assert!(url.starts_with(&world.url("/v1/")), "{url}");
        assert_eq!(resource["method"], "POST");
        let accepts = resource["accepts"].as_array().expect("ways to pay");
        assert!(accepts[0]["extra"]["pricing"]["models"][MODEL].is_object());
        assert_eq!(accepts[1]["extra"]["tier"], PRIORITY);
        let patterns = &accepts[1]["extra"]["pricing"]["models"];
        assert_eq!(patterns["dem*"]["inputPerMillion"], "5000000");
        // The amount follows from a request, and nothing else is a promise.
        assert!(accepts[0].get("amount").is_none());
        assert_eq!(resource["freeModels"], json!(["free"]));
    }
}
