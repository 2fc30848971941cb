//! Tests of the metrics and the health check, which are served at the admin address only.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use farthing_tests::end_to_end::peers::python;
use farthing_tests::gateway::chain::{BLOCKHASH_LIFE, Landing};
use farthing_tests::gateway::metrics::Scrape;
use farthing_tests::gateway::shop::Shop;
use farthing_tests::gateway::world::{FREE_MODEL, MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};
use farthing_verifier::StartError;
use farthing_wire::x402::PAYMENT_SIGNATURE;

const KEY: &str = "0123456789abcdef";

/// The series of chat completions with an outcome.
fn chats(outcome: &str) -> String {
    format!("farthing_requests_total{{endpoint=\"/v1/chat/completions\",outcome=\"{outcome}\"}}")
}

/// How many chat completions ended so.
fn chats_of<const N: usize>(scrape: &Scrape, outcomes: [&str; N]) -> [f64; N] {
    outcomes.map(|outcome| scrape.get(&chats(outcome)).unwrap_or_default())
}

#[tokio::test]
async fn clients_are_told_nothing() {
    let silent = World::start().await;
    assert_eq!(silent.running().admin_address(), None);
    let world = World::with_admin().await;
    for world in [&silent, &world] {
        let answer = world.http.get(world.url("/metrics")).send().await;
        let answer = Answer::read(answer.expect("the gateway answers")).await;
        let refusal = (answer.status, answer.code());
        assert_eq!(refusal, (404, "route_not_sold".to_owned()));
    }
    for path in ["/", "/v1/models", "/v1/chat/completions"] {
        let answer = world.http.get(world.admin_url(path)).send().await;
        let answer = answer.expect("the operator's address answers");
        assert_eq!(answer.status(), 404, "nothing else is there: {path}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let mut world = World::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    world.reconfigure(move |config| config.admin.listen = Some(address));
    let error = world.try_restart().await.expect_err("it is taken");
    assert!(matches!(error, StartError::Listen { .. }), "{error:?}");
    let message = error.to_string();
    let expected = format!("cannot listen on {address}, which is admin.listen: ");
    assert!(message.starts_with(&expected), "{message}");
    drop(taken);
    world.restart().await;
    world.scrape().await;
}

#[tokio::test]
async fn figures_follow_the_requests() {
    let world = World::with_admin().await;
    let body = chat(MODEL, false);
    assert_eq!(world.pay(&body, 1_000).await.charged(), 20);
    assert_eq!(world.pay(&chat(MODEL, true), 2_000).await.charged(), 20);
    assert_eq!(world.send(&chat(FREE_MODEL, false), None).await.status, 200);
    assert_eq!(world.pay(&body, 2_000).await.code(), "voucher_used");
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 3_000);
    for _ in 0..2 {
        let answer = world.send_with_key(&body, &payment, KEY).await;
        assert_eq!(answer.status, 200);
    }
    let failing = Behaviour::Raw {
        status: 500,
        headers: vec![],
        body: "{}",
    };
    world.upstream.behave(failing);
    assert_eq!(world.pay(&body, 4_000).await.status, 500);
    world.upstream.behave(Behaviour::CutJson);
    assert_eq!(world.pay(&body, 5_000).await.code(), "upstream_invalid");

    let scrape = world.scrape().await;
    let outcomes = ["paid", "free", "replayed", "voucher_used", "client_gone"];
    assert_eq!(chats_of(&scrape, outcomes), [3., 1., 1., 1., 0.]);
    let outcomes = ["payment_required", "upstream_error", "upstream_invalid"];
    assert_eq!(chats_of(&scrape, outcomes), [6., 1., 1.]);
    let [charged, input, output, answers] = scrape.of([
        "farthing_charged_base_units_total",
        "farthing_tokens_total{direction=\"input\"}",
        "farthing_tokens_total{direction=\"output\"}",
        "farthing_upstream_first_byte_seconds_count",
    ]);
    assert_eq!((charged, input, output, answers), (60., 30., 15., 6.));
    let [channels, lanes, used, outcomes] = scrape.of([
        "farthing_channels",
        "farthing_lanes",
        "farthing_used_values",
        "farthing_outcomes",
    ]);
    // Two values bought nothing, as the upstream failed, and buy nothing any more.
    assert_eq!((channels, lanes, used, outcomes), (1., 1., 5., 1.));
    let [bytes] = scrape.of(["farthing_answers_bytes"]);
    assert!(bytes > 0., "the answer is kept");
}

#[tokio::test]
async fn figures_of_requests_in_flight_come_and_go() {
    let world = World::with_admin().await;
    world.upstream.behave(Behaviour::Endless);
    let body = chat(MODEL, true);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    let stream = world.begin(&body, Some(&payment)).await;
    world.clock.advance(Duration::from_secs(7));
    world
        .scraped([
            ("farthing_requests_in_flight", 1.),
            ("farthing_reservations", 1.),
            ("farthing_reserved_base_units", 239.),
            ("farthing_oldest_reservation_age_seconds", 7.),
        ])
        .await;
    drop(stream);
    let idle = [
        ("farthing_requests_in_flight", 0.),
        ("farthing_reservations", 0.),
        ("farthing_reserved_base_units", 0.),
    ];
    world.scraped(idle).await;
    let age = "farthing_oldest_reservation_age_seconds";
    assert_eq!(world.scrape().await.get(age), None, "there is none");
}

#[tokio::test]
async fn streams_are_counted_by_how_they_end() {
    let world = World::configured(|config| {
        config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        config.http.idle_timeout = Duration::from_millis(300);
    })
    .await;
    let body = chat(MODEL, true);
    let endings = [
        (Behaviour::Answer(10, 5), "paid"),
        (Behaviour::CutAfter(1), "upstream_cut"),
        (Behaviour::StallAfterOne, "upstream_timeout"),
        (Behaviour::Endless, "reserve_spent"),
    ];
    for ((behaviour, outcome), ceiling) in endings.into_iter().zip(1..) {
        world.upstream.behave(behaviour);
        world.pay(&body, ceiling * 1_000).await;
        world.scraped([(&chats(outcome), 1.)]).await;
    }
    world.upstream.behave(Behaviour::Endless);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 9_000);
    drop(world.begin(&body, Some(&payment)).await);
    world.scraped([(&chats("client_gone"), 1.)]).await;
    let others = ["payment_required", "upstream_error", "free"];
    assert_eq!(chats_of(&world.scrape().await, others), [5., 0., 0.]);
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_counted() {
    let world = World::with_admin().await;
    let pause = Duration::from_secs(60);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    let body = chat(FREE_MODEL, false);
    tokio::select! {
        _ = world.begin(&body, None) => panic!("the upstream takes its time"),
        () = world.until("it is asked", || !world.upstream.received().is_empty()) => {}
    }
    world.scraped([(&chats("client_gone"), 1.)]).await;
}

#[tokio::test]
async fn an_upstream_that_is_down_is_counted_by_the_error() {
    let world = World::configured(|config| {
        config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        // Nothing listens on the discard port.
        config.http.upstream = Some("http://127.0.0.1:9".to_owned());
    })
    .await;
    let answer = world.pay(&chat(MODEL, false), 1_000).await;
    assert_eq!(answer.code(), "upstream_unreachable");
    let scrape = world.scrape().await;
    let outcomes = ["upstream_unreachable", "upstream_error", "paid"];
    assert_eq!(chats_of(&scrape, outcomes), [1., 0., 0.]);
    let answers = scrape.of(["farthing_upstream_first_byte_seconds_count"]);
    assert_eq!(answers, [0.], "it did not begin an answer");
}

/// Asks a handler of an application beside the gateway.
async fn ask(world: &World, shop: &Shop, what: &str, payment: Option<&str>) -> Answer {
    let mut request = world.http.post(shop.url(&format!("/goods/{what}")));
    if let Some(payment) = payment {
        request = request.header(PAYMENT_SIGNATURE, payment);
    }
    Answer::read(request.send().await.expect("the application answers")).await
}

#[tokio::test]
async fn plain_routes_and_handlers_are_counted_whatever_their_paths() {
    let world = World::configured(|config| {
        config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        config.pricing.free_routes = vec!["GET /v1/voices/*".parse().expect("a route")];
    })
    .await;
    let shop = Shop::open(world.running().seller()).await;
    for name in ["anna", "bert"] {
        let url = world.url(&format!("/v1/voices/{name}"));
        let answer = world.http.get(url).send().await;
        assert_eq!(answer.expect("the gateway answers").status(), 200);
        assert_eq!(ask(&world, &shop, name, None).await.status, 402);
    }
    let goods = ["echo", "missing", "events", "events-cut"];
    for (what, ceiling) in goods.into_iter().zip(1..) {
        let mut accepts = ask(&world, &shop, what, None).await.required().accepts;
        let payment = world.agent(0).pay(&accepts.remove(0), ceiling * 1_000);
        ask(&world, &shop, what, Some(&payment)).await;
    }
    let route = |outcome: &str| {
        format!("farthing_requests_total{{endpoint=\"route\",outcome=\"{outcome}\"}}")
    };
    world
        .scraped([
            (&route("free"), 2.),
            (&route("payment_required"), 6.),
            (&route("paid"), 2.),
            (&route("upstream_error"), 1.),
            (&route("upstream_cut"), 1.),
            (&route("client_gone"), 0.),
            ("farthing_tokens_total{direction=\"output\"}", 0.),
        ])
        .await;
    let text = world.scrape().await.text;
    let paths = ["voices", "goods", "anna", "echo"];
    assert!(!paths.iter().any(|path| text.contains(path)), "{text}");
}

#[tokio::test]
async fn clients_make_no_labels() {
    let world = World::with_admin().await;
    for number in 0..20 {
        let body = chat(&format!("model-{number}\"}} 1\n"), false);
        assert_eq!(world.send(&body, None).await.code(), "model_not_priced");
        let path = format!("/v1/endpoint-{number}");
        let answer = world.http.post(world.url(&path)).json(&body).send().await;
        assert_eq!(answer.expect("the gateway answers").status(), 404);
    }
    let scrape = world.scrape().await;
    assert_eq!(chats_of(&scrape, ["model_not_priced"]), [20.]);
    // Six endpoints and whatever else is sold, with five outcomes each, and the one refusal.
    assert_eq!(scrape.series("farthing_requests_total").count(), 36);
    assert!(!scrape.text.contains("model-"), "{}", scrape.text);
}

#[tokio::test]
async fn figures_follow_the_settlements() {
    let mut world = World::with_admin().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    let open = |name: &str| format!("farthing_{name}{{channel=\"open\"}}");
    world.clock.advance(Duration::from_secs(60));
    world
        .scraped([
            (&open("unsettled_base_units"), 20.),
            (&open("unsettled_channels"), 1.),
            (&open("oldest_unsettled_age_seconds"), 60.),
            ("farthing_settled_base_units_total", 0.),
        ])
        .await;

    world.chain.set_landing(Landing::Lost);
    let settling = async {
        world
            .running()
            .settle_now()
            .await
            .expect("it lands at last")
    };
    let test = async {
        world
            .scraped([
                ("farthing_settlements_sent_total", 1.),
                ("farthing_settlements_pending", 1.),
            ])
            .await;
        world.chain.set_landing(Landing::Final);
        world.chain.pass_blocks(BLOCKHASH_LIFE + 1);
    };
    futures_util::future::join(settling, test).await;
    let ended =
        |outcome: &str| format!("farthing_settlements_ended_total{{outcome=\"{outcome}\"}}");
    let settled = [
        (&*ended("expired"), 1.),
        (&ended("finalized"), 1.),
        (&ended("failed"), 0.),
        ("farthing_settlements_pending", 0.),
        ("farthing_settled_base_units_total", 20.),
        (&open("unsettled_base_units"), 0.),
        (&open("unsettled_channels"), 0.),
    ];
    world.scraped(settled).await;
    let age = world
        .scrape()
        .await
        .get(&open("oldest_unsettled_age_seconds"));
    assert_eq!(age, None, "nothing is owed");

    // A close gives only its grace to claim what is owed.
    world.chain.set_landing(Landing::Fail);
    assert_eq!(world.pay(&chat(MODEL, false), 2_000).await.charged(), 20);
    world.change_channel(|channel| channel.closing = true).await;
    world
        .scraped([
            (&ended("failed"), 1.),
            ("farthing_unsettled_base_units{channel=\"closing\"}", 20.),
            ("farthing_unsettled_channels{channel=\"closing\"}", 1.),
            (&open("unsettled_channels"), 0.),
        ])
        .await;
}

#[tokio::test]
async fn what_a_channel_owes_that_is_gone_is_told_until_it_is_back() {
    let world = World::with_admin().await;
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.charged(), 20);
    let account = world.chain.finalized(&world.address).expect("it is there");
    world.chain.remove(&world.address);
    world.running().poll_chain().await;
    let hour = Duration::from_secs(60 * 60);
    let gone = |name: &str| format!("farthing_{name}{{channel=\"gone\"}}");
    assert_eq!(world.scrape().await.of([&gone("unsettled_channels")]), [0.]);
    world.clock.advance(hour);
    world
        .scraped([
            (&gone("unsettled_base_units"), 20.),
            (&gone("unsettled_channels"), 1.),
            (&gone("oldest_unsettled_age_seconds"), 0.),
            ("farthing_unsettled_channels{channel=\"open\"}", 0.),
            ("farthing_unsettled_channels{channel=\"closing\"}", 0.),
        ])
        .await;
    // It is found again each hour, and as old as at first.
    let reads = world.chain.reads(&world.address);
    world.clock.advance(hour);
    world
        .until("it is asked for again", || {
            world.chain.reads(&world.address) > reads
        })
        .await;
    let age = gone("oldest_unsettled_age_seconds");
    world
        .scraped([(&age, 3_600.), (&gone("unsettled_channels"), 1.)])
        .await;

    world.chain.put(world.address, account);
    world.clock.advance(hour);
    world.scraped([(&gone("unsettled_channels"), 0.)]).await;
    world.running().poll_chain().await;
    world.running().settle_now().await.expect("the chain is up");
    let settled = ("farthing_settled_base_units_total", 20.);
    world.scraped([settled]).await;
}

#[tokio::test]
async fn a_node_that_stands_still_ages_what_is_known() {
    let world = World::with_admin().await;
    let age = "farthing_chain_reading_age_seconds";
    let failed = "farthing_chain_failed_readings_total";
    let scrape = world.scrape().await;
    assert_eq!(scrape.get(age), None, "no channel is followed");
    assert_eq!(scrape.of(["farthing_chain_channels", failed]), [0., 0.]);
    assert_eq!(world.pay(&chat(MODEL, false), 1_000).await.status, 200);
    world.running().poll_chain().await;
    world
        .scraped([(age, 0.), ("farthing_chain_channels", 1.)])
        .await;

    world.chain.set_slots_move(false);
    world.running().poll_chain().await;
    world.clock.advance(Duration::from_secs(5));
    world.running().poll_chain().await;
    assert_eq!(world.scrape().await.of([age, failed]), [5., 0.]);
    world.chain.set_up(false);
    world.clock.advance(Duration::from_secs(2));
    world.running().poll_chain().await;
    let scrape = world.scrape().await;
    assert_eq!(scrape.get(age), Some(7.));
    assert!(scrape.get(failed) > Some(0.));
    world.chain.set_up(true);
    world.chain.set_slots_move(true);
    world.scraped([(age, 0.)]).await;
}

#[tokio::test]
async fn a_failed_store_is_told_when_nothing_else_is() {
    let world = World::with_admin().await;
    let body = chat(MODEL, false);
    assert_eq!(world.pay(&body, 1_000).await.status, 200);
    let store = ["farthing_store_failed", "farthing_store_queued_batches"];
    let before = world.scrape().await;
    assert_eq!(before.of(store), [0., 0.]);
    let [commits, batches, records, slowest, bytes] = before.of([
        "farthing_store_commit_seconds_count",
        "farthing_store_batches_total",
        "farthing_store_records_total",
        "farthing_store_commit_seconds_bucket{le=\"+Inf\"}",
        "farthing_store_file_bytes",
    ]);
    let written = world.store.commits();
    assert!(commits >= 1. && commits <= written as f64, "{commits}");
    assert!(batches >= commits && records > batches, "{records}");
    assert_eq!(slowest, commits);
    let file = std::fs::metadata(world.store_path()).expect("there is one");
    assert_eq!(bytes, file.len() as f64);

    world.store.fail();
    let answer = world.pay(&body, 2_000).await;
    assert_eq!(answer.code(), "store_unavailable");
    world.scraped([("farthing_store_failed", 1.)]).await;
    let after = world.scrape().await;
    let [failed_commits] = after.of(["farthing_store_commit_seconds_count"]);
    assert_eq!(failed_commits, commits, "what failed is no commit");
    assert_eq!(chats_of(&after, ["store_unavailable"]), [1.]);
}

#[tokio::test]
async fn the_reference_parser_of_openmetrics_understands_all_of_it() {
    let Some(python) = python() else { return };
    let world = World::with_admin().await;
    // With ages, too: something in flight, something owed, something kept.
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let payment = world.agent(0).pay(&accepted, 1_000);
    assert_eq!(world.send_with_key(&body, &payment, KEY).await.status, 200);
    world.running().poll_chain().await;
    world.upstream.behave(Behaviour::Endless);
    let payment = world.agent(0).pay(&accepted, 2_000);
    let _stream = world.begin(&chat(MODEL, true), Some(&payment)).await;
    let owing = "farthing_unsettled_channels{channel=\"open\"}";
    world
        .scraped([(owing, 1.), ("farthing_reservations", 1.)])
        .await;
    let response = world.http.get(world.admin_url("/metrics")).send().await;
    let response = response.expect("the metrics are told");
    assert_eq!(
        response.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = response.text().await.expect("the text is whole");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/openmetrics.py");
    let mut parser = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = parser.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it reads all");
    drop(stdin);
    let output = parser.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{text}");
    let names: BTreeSet<String> = serde_json::from_slice(&output.stdout).expect("it prints JSON");

    // And the documentation explains all of them, and nothing else.
    let page = include_str!("../../../docs/operate.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `farthing_"));
    let documented: BTreeSet<String> = rows
        .filter_map(|row| row.split(['`', '{']).next())
        .map(|name| format!("farthing_{name}"))
        .collect();
    assert_eq!(names, documented);
}
