//! Tests of receipts: they are signed by the channel's settler, are about the request, and are the same for a retry.

use bytesize::ByteSize;
use farthing_protocol::{BaseUnits, Domain};
use farthing_tests::gateway::clock::EPOCH;
use farthing_tests::gateway::world::{MODEL, chat, lane_key};
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client, paying_client_with};
use farthing_wire::receipt::{
    Claims, CountedBy, KEY_SET_PATH, KeySet, Sold, request_digest, verify,
};
use serde_json::Value;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

const KEY: &str = "0123456789abcdef";
const MAXIMUM: u64 = 239;

/// The receipt of an answer, in its header or at the end of its stream.
fn token(answer: &Answer) -> String {
    let response = answer.stream_receipt().or_else(|| answer.payment());
    let extra = response.and_then(|response| response.extra);
    let receipt = extra.and_then(|extra| extra.receipt);
    receipt.expect("a paid answer has a signed receipt")
}

/// What it says, checked as the chain would have it.
fn claims(world: &World, answer: &Answer) -> Claims {
    verify(&token(answer), &world.channel.settler).expect("the settler signed it")
}

fn digest_of(body: &Value) -> Hash {
    let body = body.to_string();
    let digest = request_digest("POST", "/v1/chat/completions", "", body.as_bytes());
    Hash::new_from_array(digest)
}

#[tokio::test]
async fn a_receipt_says_who_paid_whom_for_what() {
    let world = World::start().await;
    for (stream, total) in [(false, 20), (true, 40)] {
        let body = chat(MODEL, stream);
        let answer = world.pay(&body, MAXIMUM + total).await;
        let claims = claims(&world, &answer);
        assert_eq!(claims.iss, world.channel.settler);
        assert_eq!(
            claims.sub.to_bytes(),
            lane_key(0).verifying_key().to_bytes()
        );
        assert_eq!(claims.iat, EPOCH + 3_600);
        assert_eq!(claims.program, world.channel.owner);
        assert_eq!(claims.channel, world.address);
        assert_eq!(claims.domain, Domain(world.channel.domain));
        assert_eq!((claims.lane, claims.generation), (0, 0));
        assert_eq!(claims.request, Some(digest_of(&body)));
        assert_eq!(claims.charged, BaseUnits(20));
        assert_eq!(claims.charged_total, BaseUnits(total));
        let charge = claims.sold.as_ref().map(Sold::charge);
        assert_eq!(
            charge,
            Some(BaseUnits(20)),
            "price and usage make the charge"
        );
        let Some(Sold::Tokens(sold)) = claims.sold else {
            panic!("tokens were just sold");
        };
        assert_eq!(
            (sold.model.as_str(), sold.maximum),
            (MODEL, BaseUnits(MAXIMUM))
        );
        assert_eq!(sold.price.output_per_million, BaseUnits(2_000_000));
        assert_eq!((sold.usage.input_tokens, sold.usage.output_tokens), (10, 5));
        assert_eq!(sold.usage.counted_by, CountedBy::Upstream);
        // While a stream runs nothing is known that could be signed.
        let head = answer.payment().and_then(|head| head.extra);
        assert_eq!(head.expect("figures").receipt.is_some(), !stream);
    }
}

#[tokio::test]
async fn an_estimate_is_called_one() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::AnswerUncounted);
    for (stream, authorized) in [(false, 1_000), (true, 2_000)] {
        let answer = world.pay(&chat(MODEL, stream), authorized).await;
        let claims = claims(&world, &answer);
        let charge = claims.sold.as_ref().map(Sold::charge);
        assert_eq!(charge, Some(claims.charged));
        let Some(Sold::Tokens(sold)) = claims.sold else {
            panic!("tokens were just sold");
        };
        assert_eq!(sold.usage.counted_by, CountedBy::Estimate);
        world.charged_at_rest().await;
    }
}

#[tokio::test]
async fn what_failed_cost_nothing_and_says_so() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Raw {
        status: 500,
        headers: vec![("content-type", "application/json")],
        body: "{}",
    });
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!(answer.status, 500);
    let claims = claims(&world, &answer);
    assert_eq!((claims.charged, claims.sold), (BaseUnits::ZERO, None));
}

#[tokio::test]
async fn asked_again_it_is_the_very_same() {
    let mut world = World::start().await;
    for (stream, key, total) in [(false, KEY, 20), (true, "fedcba9876543210", 40)] {
        let body = chat(MODEL, stream);
        let accepted = world.requirements(&body).await;
        let payment = world.agent(0).pay(&accepted, MAXIMUM + total);
        let first = world.send_with_key(&body, &payment, key).await;
        assert_eq!(first.charged(), 20);
        let receipt = token(&first);
        for restarts in [false, true] {
            if restarts {
                world.restart().await;
            }
            world.clock.advance(std::time::Duration::from_secs(7));
            world.running().poll_chain().await;
            let again = world.send_with_key(&body, &payment, key).await;
            assert!(again.headers.contains_key("idempotent-replayed"));
            assert_eq!(token(&again), receipt);
        }
    }
}

#[tokio::test]
async fn the_receipt_outlives_the_answer() {
    let world =
        World::configured(|config| config.store.max_stored_answer_bytes = ByteSize(10)).await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let first = world.send_with_key(&body, &payment, KEY).await;
    let again = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(
        (again.status, again.code().as_str()),
        (410, "answer_not_kept")
    );
    assert_eq!(token(&again), token(&first));
}

#[tokio::test]
async fn after_a_crash_only_the_figures_are_left() {
    let mut world = World::start().await;
    world.upstream.behave(Behaviour::StallAfterOne);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let mut stream = world.begin_with_key(&body, &payment, KEY).await;
    let piece = stream.chunk().await.expect("the stream begins");
    assert!(piece.is_some());
    world.two_checkpoints().await;
    world.crash().await;
    drop(stream);
    let again = world.send_with_key(&body, &payment, KEY).await;
    assert_eq!(again.code(), "answer_not_kept");
    let claims = claims(&world, &again);
    assert_eq!(claims.sold, None);
    assert_eq!(claims.request, Some(digest_of(&body)));
    assert_eq!(claims.charged.0, again.charged());
    assert_eq!(claims.charged_total.0, world.charged_at_rest().await);
}

#[tokio::test]
async fn the_key_is_published() {
    let world = World::start().await;
    let response = world.http.get(world.url(KEY_SET_PATH)).send().await;
    let answer = Answer::read(response.expect("the gateway answers")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let set = KeySet::from_json(&answer.body).expect("a key set");
    assert_eq!(set.require(&world.channel.settler), Ok(()));
}

#[tokio::test]
async fn the_client_keeps_what_the_settler_signed_and_disputes_the_rest() {
    let world = World::start().await;
    let url = world.running().url();
    for stream in [false, true] {
        let client = paying_client(&world, 0, &url);
        let answer = client
            .chat(chat(MODEL, stream))
            .await
            .expect("it is served");
        let finished = answer.finish().await.expect("it comes to its end");
        let receipt = finished.receipt.expect("it was charged");
        let signed = receipt.signed.expect("the settler signs");
        assert_eq!(
            verify(&signed.token, &world.channel.settler),
            Ok(signed.claims.clone())
        );
        assert_eq!(signed.claims.charged, receipt.charged);
        assert_eq!(signed.claims.request, Some(digest_of(&chat(MODEL, stream))));
    }
    // Somebody else's signature is none; what it cost at most counts as spent.
    let other = Keypair::new().pubkey();
    let client = paying_client_with(&world, 1, &url, |config| config.settler = Some(other));
    let error = client
        .chat(chat(MODEL, false))
        .await
        .expect_err("it is disputed");
    assert_eq!(error.code(), "receipt_disputed");
    assert!(
        error.to_string().contains("is not signed by the settler"),
        "{error}"
    );
    assert_eq!(client.spent_at_most(), BaseUnits(MAXIMUM));
}
