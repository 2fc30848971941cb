//! Tests of a client whose connection breaks: it retries with the same idempotency key, gets the whole answer, and pays
//! once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use axum::routing::post;
use bytesize::ByteSize;
use farthing_client::paying_client::{FinishedAnswer, PaidRequest, PayError, PayingClient};
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::upstream::{echo, echo_stream};
use farthing_tests::gateway::world::{CAP, MODEL, chat};
use farthing_tests::gateway::{Behaviour, Cuts, CuttingProxy, World, paying_client};
use farthing_wire::idempotency::IdempotencyKey;
use farthing_wire::pricing::{Endpoint, PriceList};
use farthing_wire::x402::{PAYMENT_REQUIRED, PaymentRequired, ResourceInfo, encode_header};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Every answer, as often as it is asked for.
const ALWAYS: Cuts = Cuts {
    seed: 1,
    within_bytes: 1,
    per_key: usize::MAX,
};
/// Every answer once, within its head.
const ONCE: Cuts = Cuts {
    per_key: 1,
    ..ALWAYS
};

/// A client of lane 0 behind a proxy.
async fn cut_client(world: &World, cuts: Cuts) -> (PayingClient, CuttingProxy) {
    let proxy = CuttingProxy::start(world.running().url().as_str(), cuts).await;
    (paying_client(world, 0, &proxy.url()), proxy)
}

fn request(body: Value) -> PaidRequest {
    PaidRequest::new(Endpoint::ChatCompletions, body)
}

async fn finish(client: &PayingClient, request: PaidRequest) -> Result<FinishedAnswer, PayError> {
    client.send(request).await?.finish().await
}

/// The error that an answer is lost, with what it cost.
fn lost(result: Result<FinishedAnswer, PayError>) -> Option<u64> {
    match result {
        Err(PayError::AnswerLost { charged, .. }) => charged.map(|charged| charged.0),
        other => panic!("the answer is lost: {other:?}"),
    }
}

#[tokio::test]
async fn what_does_not_help_is_not_tried_for_ever() {
    let world = World::start().await;
    let (client, proxy) = cut_client(&world, ALWAYS).await;
    assert_eq!(
        lost(finish(&client, request(chat(MODEL, false))).await),
        None
    );
    assert_eq!(proxy.cuts(), 9, "asked once, and eight times again");
    assert_eq!(world.upstream.received().len(), 1);
    let charged = world.charged_at_rest().await;
    assert_eq!(charged, 20);
    assert!(client.spent_at_most().0 > charged, "what is unknown counts");
}

#[tokio::test]
async fn an_answer_that_is_not_kept_has_a_known_cost() {
    for stream in [false, true] {
        let world =
            World::configured(|config| config.store.max_stored_answer_bytes = ByteSize(10)).await;
        let (client, _proxy) = cut_client(&world, ONCE).await;
        let charged = lost(finish(&client, request(chat(MODEL, stream))).await);
        assert_eq!(charged, Some(world.charged_at_rest().await));
        assert_eq!(charged, Some(client.spent_at_most().0), "it is believed");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_costs_nothing() {
    let world = World::start().await;
    let client = paying_client(&world, 0, "http://127.0.0.1:1");
    let accepted = world.requirements(&chat(MODEL, false)).await;
    let prices = accepted
        .escrow_extra()
        .expect("the gateway's terms")
        .pricing;
    client.know_terms(accepted, prices).expect("its own terms");
    let error = finish(&client, request(chat(MODEL, false))).await;
    assert!(matches!(error, Err(PayError::Transport(_))), "{error:?}");
    assert_eq!(client.spent_at_most(), BaseUnits::ZERO);
}

#[tokio::test]
async fn whoever_does_not_know_keys_is_not_paid_twice() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    // A provider of somebody else's: it takes the voucher, breaks off, and refuses it from then on.
    let required = PaymentRequired {
        x402_version: 2,
        error: Some("voucher_used".to_owned()),
        resource: ResourceInfo {
            url: String::new(),
            description: None,
            mime_type: None,
        },
        accepts: vec![accepted.clone()],
        extensions: None,
    };
    let refusal = (
        StatusCode::PAYMENT_REQUIRED,
        [(
            HeaderName::from_static(PAYMENT_REQUIRED),
            encode_header(&required),
        )],
        "{}",
    );
    let asked = std::sync::Arc::new(AtomicU32::new(0));
    let count = std::sync::Arc::clone(&asked);
    let provider = axum::Router::new().route(
        Endpoint::ChatCompletions.path(),
        post(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            refusal
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, provider).await });
    let proxy = CuttingProxy::start(&url, ONCE).await;
    let client = paying_client(&world, 0, &proxy.url());
    client
        .know_terms(
            accepted.clone(),
            accepted
                .escrow_extra()
                .map_or_else(|_| PriceList::default(), |extra| extra.pricing),
        )
        .expect("its own terms");
    assert_eq!(lost(finish(&client, request(body)).await), None);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "no other voucher is sent");
    assert!(
        client.spent_at_most() > BaseUnits::ZERO,
        "it may have been served"
    );
}

#[tokio::test]
async fn what_cost_nothing_is_asked_anew_with_another_voucher() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Raw {
        status: 500,
        headers: vec![("content-type", "application/json")],
        body: "{}",
    });
    let (client, _proxy) = cut_client(&world, ONCE).await;
    let answer = finish(&client, request(chat(MODEL, false)))
        .await
        .expect("the upstream's own error");
    assert_eq!(
        (
            answer.status,
            answer.receipt.map(|receipt| receipt.charged.0)
        ),
        (500, Some(0))
    );
    assert_eq!(world.upstream.received().len(), 2);
    assert_eq!(
        (world.charged_at_rest().await, client.spent_at_most().0),
        (0, 0)
    );
}

#[tokio::test]
async fn a_key_of_the_callers_is_good_after_a_restart() {
    let world = World::start().await;
    let key = IdempotencyKey::random();
    for stream in [false, true] {
        let url = world.url("");
        let key: IdempotencyKey = format!("{key}-{stream}").parse().expect("a key");
        let ask = || request(chat(MODEL, stream)).with_key(key.clone());
        let first = paying_client(&world, 0, &url);
        let answer = finish(&first, ask()).await.expect("nothing cuts it");
        let (charged, spent) = (world.charged_at_rest().await, first.spent_at_most());
        let again = finish(&first, ask()).await.expect("the same answer");
        assert_eq!(again.body, answer.body);
        assert_eq!(
            first.spent_at_most(),
            spent,
            "the second voucher bought nothing"
        );
        // One that knows nothing of the first, and whose connection breaks too.
        let (second, _proxy) = cut_client(&world, ONCE).await;
        for client in [paying_client(&world, 0, &url), second] {
            let again = finish(&client, ask()).await.expect("the same answer");
            assert_eq!(again.body, answer.body);
            assert_eq!(again.receipt.map(|receipt| receipt.charged.0), Some(20));
        }
        assert_eq!(world.charged_at_rest().await, charged);
    }
    assert_eq!(world.upstream.received().len(), 2);
}

/// What a client has of a stream that the upstream was cut off from: what the upstream had said, and the event that says
/// that there is no more.
fn incomplete(body: &[u8]) -> Option<&[u8]> {
    let marker = b"data: {\"error\":{\"code\":\"answer_incomplete\"";
    let at = body
        .windows(marker.len())
        .position(|window| window == marker)?;
    Some(&body[..at])
}

/// Sends one of many requests and checks its answer: what it cost, and whether it is whole.
async fn ask_one(world: &World, client: &PayingClient, number: usize) -> (u64, bool) {
    let stream = number % 2 == 1;
    // Some streams end before they are cut.
    let words = if number % 8 < 4 { 20 } else { 1 };
    let question = format!(
        "question number {number} {}",
        ["word"; 20][..words].join(" ")
    );
    let body = json!({
        "model": MODEL,
        "stream": stream,
        "messages": [{"role": "user", "content": question}],
    });
    // Every second one with a key of the caller's, so that the gateway can be asked what it keeps.
    let key = (number % 4 < 2).then(IdempotencyKey::random);
    let mut request = request(body.clone());
    if let Some(key) = &key {
        request = request.with_key(key.clone());
    }
    let answer = finish(client, request).await.expect("it is recovered");
    assert_eq!(answer.status, 200);
    if let Some(key) = &key {
        let accepted = world.requirements(&body).await;
        let payment = world.agent(0).pay(&accepted, CAP);
        let kept = world.send_with_key(&body, &payment, key.as_str()).await;
        assert!(kept.status == 200 && kept.whole);
        let kept = if stream {
            kept.before_receipt()
        } else {
            &kept.body
        };
        assert!(answer.body.starts_with(kept), "byte by byte");
    }
    let is_whole = if stream {
        let mut events = echo_stream(&question);
        // The gateway asked for the usage, not the client.
        events.remove(events.len() - 2);
        let whole: Vec<u8> = events.concat();
        match incomplete(&answer.body) {
            Some(part) => {
                assert!(whole.starts_with(part), "nothing is missing before the cut");
                false
            }
            None => {
                assert_eq!(answer.body.trim_ascii_end(), whole.trim_ascii_end());
                true
            }
        }
    } else {
        assert_eq!(answer.body, echo(&question));
        true
    };
    (
        answer.receipt.expect("it has a receipt").charged.0,
        is_whole,
    )
}

#[tokio::test]
async fn a_thousand_cut_answers_are_recovered_and_paid_once() {
    const CUTS: usize = 1_000;
    const IN_FLIGHT: usize = 32;
    let world = World::start().await;
    world
        .upstream
        .behave(Behaviour::Echo(Duration::from_millis(1)));
    let cuts = Cuts {
        seed: 20_261_124,
        within_bytes: 2_500,
        per_key: 3,
    };
    let (client, proxy) = cut_client(&world, cuts).await;
    let mut requests = FuturesUnordered::new();
    let (mut sent, mut charged, mut whole) = (0, 0, 0);
    loop {
        while requests.len() < IN_FLIGHT && proxy.cuts() < CUTS {
            requests.push(ask_one(&world, &client, sent));
            sent += 1;
        }
        let Some((cost, is_whole)) = requests.next().await else {
            break;
        };
        charged += cost;
        whole += usize::from(is_whole);
    }
    // One more tells the client what answers that overtook each other left open.
    let (cost, is_whole) = ask_one(&world, &client, sent).await;
    sent += 1;
    charged += cost;
    whole += usize::from(is_whole);
    assert!(proxy.cuts() >= CUTS);
    assert_eq!(world.upstream.received().len(), sent, "each is served once");
    assert_eq!(
        world.charged_at_rest().await,
        charged,
        "each is charged once"
    );
    assert_eq!(client.spent_at_most().0, charged, "and the client knows it");
    // All that is no stream is whole, and not every stream.
    assert!(
        whole > sent / 2 && whole < sent,
        "streams were cut where they were: {whole} of {sent}"
    );
}
