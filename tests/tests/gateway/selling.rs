//! Tests of selling: which requests are answered, and what they are charged.

use std::time::Duration;

use farthing_protocol::BaseUnits;
use farthing_tests::gateway::upstream::whole_stream;
use farthing_tests::gateway::world::{DEPOSIT, FREE_MODEL, MODEL, chat};
use farthing_tests::gateway::{Behaviour, World};
use farthing_wire::x402::{PaymentState, SCHEME};
use serde_json::json;

/// Bytes of the question, of its role and of the template: the bound on input.
const INPUT_BOUND: u64 = 19 + 4 + 16;
/// What a request can cost at most: its input bound and 100 output tokens at 2 base units.
const MAXIMUM: u64 = INPUT_BOUND + 200;

#[tokio::test]
async fn an_unpaid_request_is_told_how_to_pay() {
    let world = World::start().await;
    let answer = world.send(&chat(MODEL, false), None).await;
    assert_eq!(answer.status, 402);
    assert_eq!(answer.code(), "payment_required");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.payment().is_none(), "there was no payment to answer");
    let required = answer.required();
    assert_eq!(required.x402_version, 2);
    assert_eq!(required.error.as_deref(), Some("payment_required"));
    assert_eq!(required.resource.url, world.url("/v1/chat/completions"));
    let [way] = required.accepts.as_slice() else {
        panic!("there is one way to pay");
    };
    assert_eq!(way.scheme, SCHEME);
    assert_eq!(way.amount, BaseUnits(MAXIMUM));
    assert_eq!(way.pay_to, world.channel.payee.to_string());
    let extra = way.escrow_extra().expect("extra is complete");
    assert_eq!(extra.settler, world.channel.settler);
    assert_eq!(extra.grace_seconds, 172_800);
    let models: Vec<_> = extra.pricing.models.keys().collect();
    assert_eq!(models, [MODEL]);
    assert_eq!((extra.channel_state, extra.voucher_state), (None, None));
    assert_eq!(world.upstream.received().len(), 0, "nothing was served");
}

#[tokio::test]
async fn a_paid_request_costs_what_it_used() {
    let world = World::start().await;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["x-upstream"], "yes");
    assert_eq!(answer.headers["cache-control"], "private");
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.json()["usage"]["completion_tokens"], 5);
    let receipt = answer.payment().expect("a paid answer has a receipt");
    assert_eq!(receipt.amount, Some(BaseUnits(10 + 2 * 5)));
    let extra = receipt.extra.expect("the receipt has figures");
    assert_eq!(extra.state, PaymentState::Charged);
    assert_eq!(extra.charged_total, BaseUnits(20));
    assert_eq!(extra.reserved, BaseUnits::ZERO);
    assert_eq!(extra.authorized, BaseUnits(MAXIMUM));
    assert_eq!(extra.deposit, BaseUnits(DEPOSIT));
    assert_eq!(world.charged_at_rest().await, 20);

    // The next voucher needs only the rest above what was charged.
    let answer = world.pay(&chat(MODEL, false), 20 + MAXIMUM).await;
    assert_eq!(answer.charged(), 20);
    assert_eq!(world.charged_at_rest().await, 40);
}

#[tokio::test]
async fn a_paid_stream_passes_unchanged_and_ends_with_its_receipt() {
    let world = World::start().await;
    let answer = world.pay(&chat(MODEL, true), MAXIMUM).await;
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(
        answer.headers["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let head = answer
        .payment()
        .expect("the header says that the stream is paid");
    assert_eq!(head.amount, None);
    let extra = head.extra.expect("the header has figures");
    assert_eq!(extra.state, PaymentState::Reserved);
    assert_eq!(extra.reserved, BaseUnits(MAXIMUM));
    // Without the chunk that the gateway alone asked for.
    assert_eq!(answer.before_receipt(), whole_stream(None));
    assert!(answer.body.ends_with(b"\n\n"));
    assert_eq!(answer.charged(), 20);
    assert_eq!(world.charged_at_rest().await, 20);
}

#[tokio::test]
async fn whoever_asks_for_usage_sees_it() {
    let world = World::start().await;
    let mut body = chat(MODEL, true);
    body["stream_options"] = json!({"include_usage": true});
    let answer = world.pay(&body, 2 * MAXIMUM).await;
    assert_eq!(answer.before_receipt(), whole_stream(Some((10, 5))));
    assert_eq!(answer.charged(), 20);
}

#[tokio::test]
async fn a_stream_that_says_more_than_was_asked_for_ends() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Endless);
    let mut body = chat(MODEL, true);
    body["max_tokens"] = json!(5);
    let answer = world.pay(&body, MAXIMUM).await;
    assert!(answer.whole, "the client is told, not cut off");
    let text = String::from_utf8_lossy(answer.before_receipt()).into_owned();
    let last = text.trim_end().lines().last().expect("there are events");
    let last: serde_json::Value =
        serde_json::from_str(last.trim_start_matches("data: ")).expect("an event of JSON");
    assert_eq!(last["error"]["code"], "reserve_spent");
    let maximum = INPUT_BOUND + 2 * 5;
    assert_eq!(answer.charged(), maximum);
    assert_eq!(world.charged_at_rest().await, maximum);
    world
        .until("the upstream is stopped", || {
            world.upstream.streams_open() == 0
        })
        .await;
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::AnswerUncounted);
    // Nine tokens of input, and the text's at twice the price: five as a whole, four piece by piece.
    let (whole, in_pieces) = (9 + 2 * 5, 9 + 2 * 4);
    assert_eq!(
        world.pay(&chat(MODEL, false), MAXIMUM).await.charged(),
        whole
    );
    let answer = world.pay(&chat(MODEL, true), 2 * MAXIMUM).await;
    assert_eq!(answer.charged(), in_pieces);
    assert_eq!(world.charged_at_rest().await, whole + in_pieces);
}

#[tokio::test]
async fn nothing_costs_more_than_its_maximum() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::Answer(u64::MAX / 2, u64::MAX / 2));
    assert_eq!(
        world.pay(&chat(MODEL, false), MAXIMUM).await.charged(),
        MAXIMUM
    );
    assert_eq!(
        world.pay(&chat(MODEL, true), 2 * MAXIMUM).await.charged(),
        MAXIMUM
    );
}

#[tokio::test]
async fn the_upstream_sees_the_providers_key_and_no_payment() {
    let world = World::start().await;
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let response = world
        .http
        .post(world.url("/v1/chat/completions"))
        .header("payment-signature", payment)
        .header("authorization", "Bearer the-clients")
        .header("cookie", "a=b")
        .header("openai-organization", "somebody-else")
        .header("accept-encoding", "gzip")
        .header("x-request-id", "r-1")
        .json(&body)
        .send()
        .await
        .expect("the gateway answers");
    assert_eq!(response.status(), 200);
    let received = world
        .upstream
        .received()
        .pop()
        .expect("the upstream was asked");
    assert_eq!(received.headers["authorization"], "Bearer upstream-secret");
    assert_eq!(received.headers["x-request-id"], "r-1");
    for name in [
        "payment-signature",
        "cookie",
        "openai-organization",
        "accept-encoding",
    ] {
        assert!(!received.headers.contains_key(name), "{name}");
    }
    assert_eq!(received.body["max_completion_tokens"], 100);
    assert_eq!(received.body["stream_options"]["include_usage"], true);
}

#[tokio::test]
async fn many_requests_are_in_flight_on_one_lane() {
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_millis(100), 10, 5));
    let accepted = world.requirements(&chat(MODEL, false)).await;
    let agent = world.agent(0);
    let requests = (1..=50_u64).map(|number| {
        let body = chat(MODEL, number % 2 == 0);
        let payment = agent.pay(&accepted, number * MAXIMUM);
        let world = &world;
        async move { world.send(&body, Some(&payment)).await }
    });
    // The highest ceiling arrives somewhere in the middle: order does not matter once it is there.
    let mut requests: Vec<_> = requests.collect();
    requests.reverse();
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!((answer.status, answer.charged()), (200, 20));
    }
    assert_eq!(world.charged_at_rest().await, 50 * 20);
}

#[tokio::test]
async fn free_models_take_the_same_way_without_payment() {
    let world = World::start().await;
    for stream in [false, true] {
        let answer = world.send(&chat(FREE_MODEL, stream), None).await;
        assert_eq!((answer.status, answer.whole), (200, true));
        assert!(answer.payment().is_none());
        assert!(answer.stream_receipt().is_none());
    }
    let mut body = chat(FREE_MODEL, false);
    body["max_tokens"] = json!(101);
    assert_eq!(world.send(&body, None).await.status, 200);
    let received = world.upstream.received().pop().expect("it was asked");
    assert_eq!(received.body["max_tokens"], 100, "the limit of free models");
}

#[tokio::test]
async fn models_are_listed_with_their_prices() {
    let world = World::start().await;
    let response = world.http.get(world.url("/v1/models")).send().await;
    let list: serde_json::Value = response
        .expect("the gateway answers")
        .json()
        .await
        .expect("the list is JSON");
    assert_eq!(list["object"], "list");
    let ids: Vec<_> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, [MODEL, FREE_MODEL]);
    assert_eq!(list["data"][0]["pricing"]["outputPerMillion"], "2000000");
    assert_eq!(list["data"][0]["object"], "model");
    assert_eq!(world.health(&world.url("/healthz")).await, 200);
}

#[tokio::test]
async fn what_is_not_listed_is_not_sold() {
    let world = World::start().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/v1/images/generations"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1//chat/completions"),
        ("GET", "/v1/files"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let response = world.http.request(method, world.url(path)).send().await;
        let response = response.expect("the gateway answers");
        assert_eq!(response.status(), 404, "{path}");
        let body: serde_json::Value = response.json().await.expect("errors are JSON");
        assert_eq!(body["error"]["code"], "route_not_sold", "{path}");
    }
    assert_eq!(world.upstream.received().len(), 0);
}
