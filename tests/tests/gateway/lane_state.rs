//! Tests of lane state: that it is told to the holder of the lane's key only, and how the client uses it.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use farthing_protocol::state_query::StateQuery;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_tests::gateway::clock::EPOCH;
use farthing_tests::gateway::world::{DEPOSIT, MODEL, chat, lane_key};
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client};
use farthing_wire::x402::{LaneStateInfo, STATE_SIGNATURE, lane_state_path};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// The provider's clock at the start.
const NOW: u64 = EPOCH + 3_600;
const MAXIMUM: u64 = 239;

/// A question, right unless a test changes it.
#[derive(Clone)]
struct Question {
    channel: Pubkey,
    domain: Domain,
    lane: u16,
    generation: u16,
    at: u64,
    key: SigningKey,
}

impl Question {
    fn about(world: &World, lane: u16) -> Self {
        Self {
            channel: world.address,
            domain: Domain(world.channel.domain),
            lane,
            generation: 0,
            at: NOW,
            key: lane_key(lane),
        }
    }

    fn signature(&self) -> String {
        let query = StateQuery {
            domain: self.domain,
            lane: LaneIndex(self.lane),
            generation: Generation(self.generation),
            unix_seconds: self.at,
        };
        Signature::from(self.key.sign(&query.to_bytes()).to_bytes()).to_string()
    }

    fn path(&self) -> String {
        let path = lane_state_path(&self.channel, LaneIndex(self.lane));
        format!("{path}?generation={}&at={}", self.generation, self.at)
    }

    async fn ask(&self, world: &World) -> Answer {
        ask(world, &self.path(), &[&self.signature()]).await
    }
}

async fn ask(world: &World, path: &str, signatures: &[&str]) -> Answer {
    let mut request = world.http.get(world.url(path));
    for signature in signatures {
        request = request.header(STATE_SIGNATURE, *signature);
    }
    Answer::read(request.send().await.expect("the gateway answers")).await
}

fn told(answer: &Answer) -> LaneStateInfo {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    serde_json::from_slice(&answer.body).expect("a lane's state")
}

/// A refusal tells its reason and nothing of the lane.
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(
        !body.contains("charged") && !body.contains("authorized"),
        "{body}"
    );
}

#[tokio::test]
async fn nobody_else_learns_anything() {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    let good = Question::about(&world, 0);
    let with = |change: &dyn Fn(&mut Question)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    for (question, status, code) in [
        (with(&|it| it.at = NOW - 61), 403, "state_query_stale"),
        (with(&|it| it.at = NOW + 61), 403, "state_query_stale"),
        (with(&|it| it.at = u64::MAX), 403, "state_query_stale"),
        (
            with(&|it| it.channel = Pubkey::new_unique()),
            404,
            "channel_unknown",
        ),
        (with(&|it| it.lane = 999), 404, "lane_unknown"),
        (with(&|it| it.generation = 1), 404, "generation_mismatch"),
        (with(&|it| it.key = lane_key(1)), 403, "signature_invalid"),
        (with(&|it| it.lane = 1), 403, "signature_invalid"),
        (
            with(&|it| it.domain = Domain([1; 32])),
            403,
            "signature_invalid",
        ),
    ] {
        assert_refused(&question.ask(&world).await, status, code);
    }
    // A voucher's signature is none over a question, and a question's none over another second.
    let later = with(&|it| it.at = NOW + 1);
    let answer = ask(&world, &later.path(), &[&good.signature()]).await;
    assert_refused(&answer, 403, "signature_invalid");

    let path = lane_state_path(&world.address, LaneIndex(0));
    let signature = good.signature();
    let good_path = good.path();
    for (path, signatures, param) in [
        (path.clone(), vec![signature.as_str()], "generation"),
        (
            format!("{path}?generation=0"),
            vec![signature.as_str()],
            "at",
        ),
        (
            format!("{path}?generation=-1&at={NOW}"),
            vec![signature.as_str()],
            "generation",
        ),
        (
            format!("{path}?generation=0&at=now"),
            vec![signature.as_str()],
            "at",
        ),
        (
            good_path.replace("lanes/0", "lanes/65536"),
            vec![signature.as_str()],
            "lane",
        ),
        (
            good_path.replace("channels/", "channels/0"),
            vec![signature.as_str()],
            "channel",
        ),
        (good_path.clone(), vec![], STATE_SIGNATURE),
        (good_path.clone(), vec!["0OIl"], STATE_SIGNATURE),
        (
            good_path.clone(),
            vec![signature.as_str(), signature.as_str()],
            STATE_SIGNATURE,
        ),
    ] {
        let answer = ask(&world, &path, &signatures).await;
        assert_refused(&answer, 400, "state_query_malformed");
        assert_eq!(answer.json()["error"]["param"], param, "{path}");
    }
    assert_eq!(told(&good.ask(&world).await).state.charged, BaseUnits(20));
}

#[tokio::test]
async fn the_key_learns_what_it_signed_and_what_that_came_to() {
    let mut world = World::start().await;
    world.running().poll_chain().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    assert_eq!(world.pay(&chat(MODEL, false), 500).await.charged(), 20);
    assert_eq!(world.pay(&chat(MODEL, false), 300).await.charged(), 20);
    for at in [NOW - 60, NOW, NOW + 60] {
        let question = Question {
            at,
            ..Question::about(&world, 0)
        };
        let told = told(&question.ask(&world).await);
        assert_eq!(told.state.authorized, BaseUnits(1_000));
        let snapshot = world.lane(0).signature.map(Signature::from);
        assert!(told.state.signature.is_some() && told.state.signature == snapshot);
        assert_eq!(
            (told.state.charged, told.state.reserved),
            (BaseUnits(60), BaseUnits::ZERO)
        );
        assert_eq!(
            (told.deposit, told.used_floor),
            (BaseUnits(DEPOSIT), BaseUnits::ZERO)
        );
        assert_eq!(told.used, [300, 500, 1_000].map(BaseUnits));
    }
    // A lane that was never used has its place on the chain to begin at.
    let unused = told(&Question::about(&world, 1).ask(&world).await);
    assert_eq!((unused.state.signature, unused.used.len()), (None, 0));
    // Whoever may not pay any more may still ask.
    world
        .change_channel(|channel| {
            channel.closing = true;
            channel.lanes[0].revoked = true;
        })
        .await;
    let question = Question::about(&world, 0);
    assert_eq!(
        told(&question.ask(&world).await).state.charged,
        BaseUnits(60)
    );
    // Within the minute of the provider's clock, whatever a day it is elsewhere.
    world.clock.advance(Duration::from_secs(61));
    assert_refused(&question.ask(&world).await, 403, "state_query_stale");
}

#[tokio::test]
async fn while_a_key_is_replaced_neither_learns_anything() {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    let mut rotated = world.channel.clone();
    rotated.lanes[0].signer = lane_key(9).verifying_key().to_bytes();
    rotated.lanes[0].generation = 1;
    let seen = Some(rotated.account());
    world.chain.put_processed(world.address, seen);
    world.running().poll_chain().await;
    let old = Question::about(&world, 0);
    assert_refused(&old.ask(&world).await, 404, "generation_mismatch");
    let new = Question {
        generation: 1,
        key: lane_key(9),
        ..old
    };
    assert_refused(&new.ask(&world).await, 404, "lane_revoked");
}

#[tokio::test]
async fn nothing_is_told_that_a_crash_could_take_back() {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    world.store.fail();
    let answer = Question::about(&world, 0).ask(&world).await;
    assert_refused(&answer, 503, "store_unavailable");
}

#[tokio::test]
async fn a_store_that_is_behind_the_chain_has_nothing_to_tell() {
    let mut world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    world
        .change_channel(|channel| channel.lanes[0].debited = 21)
        .await;
    let answer = Question::about(&world, 0).ask(&world).await;
    assert_refused(&answer, 503, "store_behind_chain");
}

/// How far above what is needed a client signs at most, in base units.
const MAX_SPREAD: u64 = 1_023;

#[tokio::test]
async fn a_client_that_begins_anew_signs_no_more_than_it_must() {
    let world = World::start().await;
    world.clock.follow_the_system();
    let url = world.running().url();
    // What the first process signed collides with what the second one, which knows nothing, signs first.
    for (round, charged) in [(0_u64, 20_u64), (1, 40), (2, 60)] {
        let client = paying_client(&world, 0, &url);
        let answer = client.chat(chat(MODEL, false)).await.expect("it is served");
        let receipt = answer.finish().await.expect("it ends").receipt;
        assert_eq!(
            receipt.expect("it was charged").charged_total,
            BaseUnits(charged)
        );
        // Little more than the least that covers what is charged and the maximum.
        let least = 20 * round + MAXIMUM;
        let authorized = world.lane(0).authorized.0;
        assert!(
            (least..=least + MAX_SPREAD).contains(&authorized),
            "{authorized}"
        );
        let told = client
            .resynchronise()
            .await
            .expect("the lane's key may ask");
        assert_eq!(told.state.charged, BaseUnits(charged));
        assert_eq!(client.spent_at_most(), BaseUnits(charged));
    }
}

#[tokio::test]
async fn a_client_that_lost_an_answer_asks_what_became_of_it() {
    let world = World::start().await;
    world.clock.follow_the_system();
    let client = paying_client(&world, 0, &world.running().url());
    let first = client.chat(chat(MODEL, false)).await.expect("it is served");
    first.finish().await.expect("it ends");
    let pause = Duration::from_millis(100);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    tokio::select! {
        answer = client.chat(chat(MODEL, false)) => panic!("it comes too early: {answer:?}"),
        () = world.until("the upstream is asked", || world.upstream.received().len() == 2) => {}
    }
    assert_eq!(world.charged_at_rest().await, 40);
    assert_eq!(
        client.spent_at_most(),
        BaseUnits(20 + MAXIMUM),
        "what is unknown counts"
    );
    let third = client.chat(chat(MODEL, false)).await.expect("it is served");
    third.finish().await.expect("it ends");
    let least = 40 + MAXIMUM;
    let authorized = world.lane(0).authorized.0;
    assert!(
        (least..=least + MAX_SPREAD).contains(&authorized),
        "and no longer: {authorized}"
    );
    assert_eq!(client.spent_at_most(), BaseUnits(60));
}

#[tokio::test]
async fn a_client_whose_clock_is_wrong_goes_on_without_an_answer() {
    let world = World::start().await;
    let url = world.running().url();
    for charged in [20, 40] {
        let client = paying_client(&world, 0, &url);
        let answer = client.chat(chat(MODEL, false)).await;
        let finished = answer.expect("it is served").finish().await;
        let receipt = finished.expect("it ends").receipt.expect("it was charged");
        assert_eq!(receipt.charged_total, BaseUnits(charged));
        let error = client
            .resynchronise()
            .await
            .expect_err("it is another time there");
        assert!(error.to_string().contains("state_query_stale"), "{error}");
    }
}
