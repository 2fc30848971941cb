//! Tests of the lanes that the proxy pays from: bursts, budgets, a folder of keys, headers and the log.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farthing_cli::signing_proxy::{
    Access, LaneFolder, Lanes, Opener, ProxyOptions, RequestLog, Served, SigningProxy,
};
use farthing_client::paying_client::{Budget, PayingClientConfig};
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client, paying_client_with};
use futures_util::future::join_all;
use serde_json::Value;

/// Price of an answer of the upstream.
const CHARGE: u64 = 20;
const LONG: Duration = Duration::from_secs(20);

async fn start(lanes: Lanes, options: ProxyOptions) -> SigningProxy {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = SigningProxy::start_with(lanes, address, options).await;
    proxy.expect("a free port")
}

async fn of_lane_0(world: &World, change: impl FnOnce(&mut PayingClientConfig)) -> SigningProxy {
    world.clock.follow_the_system();
    let client = paying_client_with(world, 0, &world.url(""), change);
    start(Lanes::One(client), ProxyOptions::default()).await
}

/// Asks with an API key.
async fn ask(world: &World, proxy: &SigningProxy, key: &str, stream: bool) -> Answer {
    let url = format!("{}/v1/chat/completions", proxy.url());
    let request = world.http.post(url).json(&chat(MODEL, stream));
    let answer = request.bearer_auth(key).send().await;
    Answer::read(answer.expect("the proxy answers")).await
}

/// Leaves this much to spend from lane 0.
async fn leave(world: &mut World, units: u64) {
    world
        .change_channel(|channel| channel.lanes[0].cap = units)
        .await;
}

/// The most that a request may cost.
async fn maximum(world: &World) -> u64 {
    world.requirements(&chat(MODEL, false)).await.amount.0
}

#[tokio::test]
async fn a_burst_waits_for_its_own_reservations() {
    let mut world = World::start().await;
    let maximum = maximum(&world).await;
    let pause = Duration::from_millis(50);
    world.upstream.behave(Behaviour::AnswerAfter(pause, 10, 5));
    // Two requests fit at once, and twelve one after the other.
    leave(&mut world, 2 * maximum + 12 * CHARGE).await;
    let proxy = of_lane_0(&world, |config| config.max_wait = LONG).await;
    let answers = join_all((0..12).map(|number| ask(&world, &proxy, "", number % 2 == 0))).await;
    for answer in answers {
        assert!(answer.whole && answer.status == 200, "{answer:?}");
    }
    let spent = proxy.shutdown().await;
    assert_eq!((spent.requests, spent.charged.0), (12, 12 * CHARGE));
    assert_eq!(world.charged_at_rest().await, 12 * CHARGE);
}

#[tokio::test]
async fn a_lane_that_is_spent_says_so_at_once() {
    let mut world = World::start().await;
    let maximum = maximum(&world).await;
    leave(&mut world, maximum + CHARGE).await;
    let proxy = of_lane_0(&world, |config| config.max_wait = 100 * LONG).await;
    for _ in 0..2 {
        assert_eq!(ask(&world, &proxy, "", false).await.status, 200);
    }
    let refused = ask(&world, &proxy, "", false).await;
    assert_eq!(
        (refused.status, refused.code()),
        (402, "lane_cannot_pay".to_owned())
    );
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("lane"), "{message}");
    assert_eq!(proxy.shutdown().await.charged.0, 2 * CHARGE);
}

#[tokio::test]
async fn whoever_waits_too_long_for_others_is_told() {
    let mut world = World::start().await;
    let maximum = maximum(&world).await;
    leave(&mut world, maximum).await;
    world
        .upstream
        .behave(Behaviour::AnswerAfter(Duration::from_millis(800), 10, 5));
    let proxy = of_lane_0(&world, |config| {
        config.max_wait = Duration::from_millis(100)
    })
    .await;
    let (one, other) = tokio::join!(
        ask(&world, &proxy, "", false),
        ask(&world, &proxy, "other", false)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 402]);
}

#[tokio::test]
async fn a_budget_ends_what_a_lane_could_still_pay() {
    let world = World::start().await;
    let maximum = maximum(&world).await;
    for (total, per_hour, says) in [
        (Some(maximum + CHARGE), None, "in total"),
        (None, Some(maximum + CHARGE), "per hour"),
    ] {
        let budget = Budget::new(total.map(BaseUnits), per_hour.map(BaseUnits));
        let proxy = of_lane_0(&world, |config| config.budgets = vec![Arc::new(budget)]).await;
        for _ in 0..2 {
            assert_eq!(ask(&world, &proxy, "", false).await.status, 200);
        }
        let refused = ask(&world, &proxy, "", false).await;
        assert_eq!(
            (refused.status, refused.code()),
            (402, "budget_spent".to_owned())
        );
        let message = refused.json()["error"]["message"].to_string();
        assert!(message.contains(says), "{message}");
        // Since this proxy started, not since the lane began.
        assert_eq!(proxy.shutdown().await.charged.0, 2 * CHARGE);
    }
}

#[tokio::test]
async fn what_is_never_sent_costs_no_budget() {
    let world = World::start().await;
    let maximum = maximum(&world).await;
    let whole = Arc::new(Budget::new(Some(BaseUnits(3 * maximum)), None));
    let lane = Arc::new(Budget::new(Some(BaseUnits(maximum)), None));
    let budgets = vec![Arc::clone(&whole), lane];
    let proxy = of_lane_0(&world, |config| config.budgets = budgets).await;
    assert_eq!(ask(&world, &proxy, "", false).await.status, 200);
    for _ in 0..20 {
        let refused = ask(&world, &proxy, "", false).await;
        assert_eq!(refused.code(), "budget_spent");
    }
    // Another lane with the whole budget still has all but one charge.
    let other = paying_client_with(&world, 1, &world.url(""), |config| {
        config.budgets = vec![whole]
    });
    for _ in 0..2 {
        let answer = other.chat(chat(MODEL, false)).await.expect("it is covered");
        answer.finish().await.expect("it is whole");
    }
}

/// Collects what is told.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Served>>>);

impl RequestLog for Log {
    fn served(&self, served: &Served) {
        self.0.lock().expect("not poisoned").push(served.clone());
    }
}

/// A folder with key files of the lanes 0 to 2, whose contents the opener does not need.
fn folder(world: &World) -> (tempfile::TempDir, Lanes) {
    let directory = tempfile::tempdir().expect("tests have a directory");
    let clients: Vec<_> = (0..3)
        .map(|lane| paying_client(world, lane, &world.url("")))
        .collect();
    for lane in 0..3 {
        std::fs::write(directory.path().join(format!("lane-{lane}.json")), "[]")
            .expect("it can be written");
    }
    std::fs::write(directory.path().join(".hidden.json"), "[]").expect("it can be written");
    let open: Box<Opener> = Box::new(move |file: PathBuf| {
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let lane = name
            .strip_prefix("lane-")
            .and_then(|lane| lane.parse::<usize>().ok());
        let client = clients[lane.expect("only the files of lanes are opened")].clone();
        Box::pin(async move { Ok(client) })
    });
    let lanes = Lanes::Folder(LaneFolder::new(directory.path().to_owned(), open));
    (directory, lanes)
}

#[tokio::test]
async fn the_api_key_chooses_the_lane_of_a_folder() {
    let world = World::start().await;
    let (_directory, lanes) = folder(&world);
    let log = Log::default();
    let proxy = start(
        lanes,
        ProxyOptions {
            log: Some(Box::new(log.clone())),
            ..ProxyOptions::default()
        },
    )
    .await;
    for key in ["lane-1", "lane-2.json"] {
        assert_eq!(ask(&world, &proxy, key, false).await.status, 200, "{key}");
    }
    let url = format!("{}/v1/chat/completions", proxy.url());
    let request = world.http.post(url).json(&chat(MODEL, true));
    let request = request.header("x-api-key", "lane-1");
    let answer = Answer::read(request.send().await.expect("the proxy answers")).await;
    assert_eq!(answer.status, 200);
    for unknown in [
        "",
        "lane-3",
        "../lane-1",
        "..",
        ".hidden",
        "lane-1/../lane-2",
        "/etc/passwd",
    ] {
        let refused = ask(&world, &proxy, unknown, false).await;
        assert_eq!(
            (refused.status, refused.code()),
            (401, "lane_unknown".to_owned()),
            "{unknown}"
        );
    }
    let charged = |lane| world.lane(lane).charged.0;
    assert_eq!((charged(1), charged(2)), (2 * CHARGE, CHARGE));
    assert_eq!(proxy.shutdown().await.charged.0, 3 * CHARGE);

    let told = log.0.lock().expect("not poisoned");
    let told: Vec<Value> = told
        .iter()
        .map(|served| serde_json::to_value(served).expect("it is JSON"))
        .collect();
    let lanes: Vec<&Value> = told.iter().map(|served| &served["lane"]).collect();
    assert_eq!(lanes, ["lane-1", "lane-2", "lane-1"]);
    for served in &told {
        assert_eq!(
            (&served["what"], &served["status"], &served["charged"]),
            (&MODEL.into(), &200.into(), &CHARGE.into())
        );
        assert_eq!(
            (&served["input_tokens"], &served["output_tokens"]),
            (&10.into(), &5.into())
        );
    }
}

#[tokio::test]
async fn a_token_stands_before_the_lane() {
    let world = World::start().await;
    let (_directory, lanes) = folder(&world);
    let options = ProxyOptions {
        access: Access {
            token: Some("0123456789abcdef".to_owned()),
            ..Access::default()
        },
        ..ProxyOptions::default()
    };
    let proxy = start(lanes, options).await;
    for (key, status) in [
        ("0123456789abcdef.lane-1", 200),
        ("lane-1", 401),
        ("0123456789abcdeX.lane-1", 401),
        ("0123456789abcdef", 401),
        ("0123456789abcdef.lane-9", 401),
    ] {
        assert_eq!(
            ask(&world, &proxy, key, false).await.status,
            status,
            "{key}"
        );
    }
    let models = world.http.get(format!("{}/v1/models", proxy.url()));
    let models = models.send().await.expect("the proxy answers");
    assert_eq!(models.status(), 401);
}

#[tokio::test]
async fn an_origin_that_was_named_may_spend() {
    let world = World::start().await;
    let options = ProxyOptions {
        access: Access {
            origins: vec!["app://obsidian.md".to_owned()],
            ..Access::default()
        },
        ..ProxyOptions::default()
    };
    let proxy = start(
        Lanes::One(paying_client(&world, 0, &world.url(""))),
        options,
    )
    .await;
    let url = format!("{}/v1/chat/completions", proxy.url());
    let ask = |origin: &'static str| {
        let request = world.http.post(&url).json(&chat(MODEL, false));
        let request = request
            .header("origin", origin)
            .header("sec-fetch-site", "cross-site");
        async move { request.send().await.expect("the proxy answers") }
    };
    let answer = ask("app://obsidian.md").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "app://obsidian.md"
    );
    let refused = ask("app://other").await;
    assert_eq!(refused.status(), 403);
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );
    // A page asks first whether it may send its headers.
    let preflight = world
        .http
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "app://obsidian.md")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type",
        );
    let preflight = preflight.send().await.expect("the proxy answers");
    assert_eq!(preflight.status(), 200);
    assert_eq!(
        preflight.headers()["access-control-allow-headers"],
        "authorization, content-type"
    );
}

#[tokio::test]
async fn headers_pass_both_ways_but_for_credentials_and_payments() {
    let world = World::start().await;
    world.upstream.behave(Behaviour::Raw {
        status: 429,
        headers: vec![
            ("retry-after", "7"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-request-id", "req_1"),
            ("content-type", "application/json"),
        ],
        body: r#"{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}"#,
    });
    let proxy = of_lane_0(&world, |_| ()).await;
    let url = format!("{}/v1/chat/completions", proxy.url());
    let request = world.http.post(url).json(&chat(MODEL, false));
    let request = request
        .bearer_auth("sk-of-no-use")
        .header("x-api-key", "sk-of-no-use")
        .header("cookie", "a=b")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .header("openai-beta", "responses=v1")
        .header("openai-organization", "the client's, not the provider's")
        .header("anthropic-version", "2023-06-01")
        .header("user-agent", "codex/1");
    let answer = Answer::read(request.send().await.expect("the proxy answers")).await;
    assert_eq!(answer.status, 429);
    for (name, value) in [
        ("retry-after", "7"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-request-id", "req_1"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    assert!(!answer.headers.contains_key("payment-response"));
    let received = &world.upstream.received()[0].headers;
    assert_eq!(received["openai-beta"], "responses=v1");
    assert_eq!(received["anthropic-version"], "2023-06-01");
    assert_eq!(received["user-agent"], "codex/1");
    assert!(received.contains_key("traceparent"));
    assert_eq!(received["authorization"], "Bearer upstream-secret");
    for name in [
        "openai-organization",
        "x-api-key",
        "cookie",
        "payment-signature",
    ] {
        assert!(!received.contains_key(name), "{name}");
    }
    assert_eq!(world.charged_at_rest().await, 0);
}
