//! Tests with a thousand streams that are cut off at random bytes, by the client or by the upstream: each is charged
//! once, for its input and the output that arrived, and nothing stays reserved.

use std::time::Duration;

use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Behaviour, World};
use futures_util::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const STREAMS: u64 = 1_000;
/// Of a request of [`chat`].
const MAXIMUM: u64 = 239;
const IN_FLIGHT: usize = 32;
/// More than any client reads before it goes.
const MOST_READ: usize = 700;
/// More pieces than the upstream has.
const MOST_PIECES: usize = 4;

/// What a client does, and what it was told.
struct Client {
    authorized: u64,
    /// Reads so many bytes and goes; `None` reads to the end.
    reads: Option<usize>,
    key: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cut_streams_are_charged_once_each() {
    let world =
        World::configured(|config| config.store.checkpoint_interval = Duration::from_millis(5))
            .await;
    let mut rng = StdRng::seed_from_u64(7);
    let mut receipts = 0;
    let mut unknown = 0;
    for round in 0..10 {
        // The upstream cuts in the odd rounds, wherever it is.
        let pieces = rng.gen_range(0..MOST_PIECES);
        world.upstream.behave(if round % 2 == 0 {
            Behaviour::Answer(10, 5)
        } else {
            Behaviour::CutAfter(pieces)
        });
        let first = round * STREAMS / 10;
        let clients: Vec<Client> = (first..first + STREAMS / 10)
            .map(|number| Client {
                // Vouchers arrive in any order, so each suffices for all.
                authorized: 500_000 + number,
                reads: rng.gen_bool(0.7).then(|| rng.gen_range(0..MOST_READ)),
                key: rng
                    .gen_bool(0.5)
                    .then(|| format!("key-of-number-{number:08}")),
            })
            .collect();
        let charges: Vec<Option<u64>> = stream::iter(clients)
            .map(|client| ask(&world, client))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        receipts += charges.iter().flatten().sum::<u64>();
        unknown += charges.iter().filter(|charge| charge.is_none()).count() as u64;
        world.charged_at_rest().await;
    }
    let charged = world.charged_at_rest().await;
    assert!(unknown > 100, "many clients went before they were told");
    assert!(
        (receipts..=receipts + unknown * MAXIMUM).contains(&charged),
        "{receipts} by receipts, {unknown} unknown, {charged} charged"
    );
    world
        .until("every stream of the upstream has ended", || {
            world.upstream.streams_open() == 0
        })
        .await;
}

/// Asks for a stream and goes away within it. What it was charged, if it was told, by the stream or by its
/// replay.
async fn ask(world: &World, client: Client) -> Option<u64> {
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, client.authorized);
    let mut response = match &client.key {
        Some(key) => world.begin_with_key(&body, &payment, key).await,
        None => world.begin(&body, Some(&payment)).await,
    };
    assert_eq!(response.status(), 200);
    let mut answer = farthing_tests::gateway::Answer {
        status: 200,
        headers: response.headers().clone(),
        body: Vec::new(),
        whole: false,
    };
    while client.reads.is_none_or(|bytes| answer.body.len() < bytes) {
        match response.chunk().await {
            Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    drop(response);
    let receipt = answer.stream_receipt().and_then(|receipt| receipt.amount);
    let told = receipt.map(|amount| amount.0);
    let Some(key) = &client.key else {
        return told;
    };
    // Whoever has a key is told in the end, and the same every time.
    let again = world.send_with_key(&body, &payment, key).await;
    match again.status {
        200 if again.headers.contains_key("idempotent-replayed") => {
            let charged = again.charged();
            assert!(told.is_none_or(|told| told == charged));
            assert!(again.whole && charged <= MAXIMUM);
            assert!(
                again
                    .before_receipt()
                    .starts_with(&seen_events(&answer.body)),
                "nothing that was seen is missing"
            );
            Some(charged)
        }
        // It cost nothing, and its voucher is used: nothing was served in its place.
        402 => {
            assert_eq!(again.code(), "voucher_used");
            assert_eq!(told.unwrap_or_default(), 0);
            Some(0)
        }
        status => panic!("{status}: {}", again.code()),
    }
}

/// The whole events of an answer, without its receipt.
fn seen_events(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let events = text.split_inclusive("\n\n");
    let events = events.take_while(|event| event.starts_with("data: ") && event.ends_with("\n\n"));
    events.collect::<String>().into_bytes()
}
