//! Tests of plain routes, which are sold per request and per byte, or are free.

use std::net::{Ipv4Addr, SocketAddr};

use farthing_cli::signing_proxy::SigningProxy;
use farthing_client::paying_client::PaidRequest;
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::{Answer, Behaviour, World, paying_client};
use farthing_verifier::config::{RouteConfig, UsdcAmount};
use farthing_wire::receipt::{Sold, verify};
use farthing_wire::x402::{PAYMENT_SIGNATURE, PaymentRequirements};
use reqwest::Method;
use serde_json::{Value, json};

const SPEECH: &str = "/v1/audio/speech";
/// 100 base units a request, 1 a byte of the request, 2 a byte of the answer, of which there are at most 50.
const SPEECH_PRICE: RouteConfig = RouteConfig {
    per_request: usdc(100),
    per_million_request_bytes: usdc(1_000_000),
    per_million_answer_bytes: usdc(2_000_000),
    max_answer_bytes: Some(50),
    minimum: usdc(0),
};
const TEXT: &str = "a text\0to say";
const MAXIMUM: u64 = 100 + TEXT.len() as u64 + 2 * 50;

const fn usdc(base_units: u64) -> UsdcAmount {
    UsdcAmount(BaseUnits(base_units))
}

async fn world() -> World {
    World::configured(|config| {
        let per_request = RouteConfig {
            per_request: usdc(7),
            ..RouteConfig::default()
        };
        config.pricing.routes = [
            ("POST /v1/audio/speech", SPEECH_PRICE),
            ("GET /v1/voices/*", per_request),
            ("DELETE /v1/voices/*", per_request),
            ("GET /v1/chat/completions", per_request),
        ]
        .map(|(route, price)| (route.parse().expect("a route"), price))
        .into();
        config.pricing.free_routes = vec!["GET /v1/voices".parse().expect("a route")];
    })
    .await
}

struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: &'a str,
}

const SAY: Ask<'static> = Ask {
    method: Method::POST,
    path: SPEECH,
    body: TEXT,
};

fn get(path: &str) -> Ask<'_> {
    Ask {
        method: Method::GET,
        path,
        body: "",
    }
}

async fn send(world: &World, ask: &Ask<'_>, headers: &[(&str, &str)]) -> Answer {
    let mut request = world.http.request(ask.method.clone(), world.url(ask.path));
    if !ask.body.is_empty() {
        request = request
            .body(ask.body.to_owned())
            .header("content-type", "text/plain");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.expect("the gateway answers")).await
}

async fn way(world: &World, ask: &Ask<'_>) -> PaymentRequirements {
    let mut accepts = send(world, ask, &[]).await.required().accepts;
    assert_eq!(accepts.len(), 1, "there is one way to pay");
    accepts.remove(0)
}

async fn buy(world: &World, ask: &Ask<'_>, authorized: u64) -> Answer {
    let accepted = way(world, ask).await;
    let payment = world.agent(0).pay(&accepted, authorized);
    send(world, ask, &[(PAYMENT_SIGNATURE, &payment)]).await
}

fn answers(world: &World, status: u16, content_type: &'static str, body: &'static str) {
    world.upstream.behave(Behaviour::Raw {
        status,
        headers: vec![("content-type", content_type)],
        body,
    });
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn what_is_not_listed_is_not_sold() {
    let world = world().await;
    for ask in [
        get(SPEECH),
        get("/v1/audio/speech/"),
        get("/v1/voices/a/b"),
        get("/v1/voices/a%2fb"),
        get("/v1/voices/a%2F..%2Fb"),
        get("/v1/voices/a%5Cb"),
        get("/v1/voices/"),
        get("/v1/files"),
        Ask {
            method: Method::POST,
            ..get("/v1/voices")
        },
        Ask {
            method: Method::HEAD,
            ..get("/v1/voices/anna")
        },
    ] {
        let answer = send(&world, &ask, &[]).await;
        assert_eq!(answer.status, 404, "{} {}", ask.method, ask.path);
        if ask.method != Method::HEAD {
            assert_eq!(answer.code(), "route_not_sold", "{}", ask.path);
        }
    }
    assert!(world.upstream.received().is_empty());
}

#[tokio::test]
async fn an_unpaid_request_is_told_what_its_bytes_cost() {
    let world = world().await;
    let answer = send(&world, &SAY, &[]).await;
    assert_eq!(code(&answer), (402, "payment_required".to_owned()));
    let required = answer.required();
    assert_eq!(required.resource.url, world.url(SPEECH));
    let description = required.resource.description.as_deref();
    assert_eq!(description, Some("POST /v1/audio/speech"));
    assert_eq!(required.resource.mime_type, None);
    let [way] = required.accepts.as_slice() else {
        panic!("there is one way to pay");
    };
    assert_eq!(way.amount, BaseUnits(MAXIMUM));
    let pricing = way.escrow_extra().expect("extra is complete").pricing;
    assert!(pricing.models.is_empty());
    let maximum = pricing.route_maximum("POST", SPEECH, TEXT.len() as u64);
    assert_eq!(
        maximum,
        Some(way.amount),
        "a client prices the next one itself"
    );
    let body = answer.json();
    assert_eq!(body["accepts"][0]["maxAmountRequired"], MAXIMUM.to_string());
    assert_eq!(
        body["accepts"][0]["outputSchema"]["input"]["method"],
        "POST"
    );
    let methods = answer.headers["payment-methods"].to_str().expect("text");
    assert!(
        methods.contains(&format!("amount=\"{MAXIMUM}\"")),
        "{methods}"
    );

    let visit = send(&world, &get("/v1/voices/anna"), &[("accept", "text/html")]).await;
    assert_eq!(visit.status, 402);
    assert_eq!(visit.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(visit.required().accepts[0].amount, BaseUnits(7));
    assert!(world.upstream.received().is_empty());
}

#[tokio::test]
async fn what_does_not_pay_is_refused_and_not_served() {
    let world = world().await;
    let accepted = way(&world, &SAY).await;
    let good = world.agent(0).pay(&accepted, MAXIMUM);
    let mut cheap = accepted.clone();
    cheap.amount = BaseUnits(MAXIMUM - 1);
    let other = way(&world, &get("/v1/voices/anna")).await;
    let mut other_tier = accepted.clone();
    other_tier.extra["tier"] = json!("priority");
    let pay = |accepted: &PaymentRequirements, authorized| world.agent(0).pay(accepted, authorized);
    for (payment, status, expected) in [
        ("%%%".to_owned(), 400, "payment_header_malformed"),
        (pay(&cheap, MAXIMUM), 402, "payment_requirements_mismatch"),
        (pay(&other, MAXIMUM), 402, "payment_requirements_mismatch"),
        (
            pay(&other_tier, MAXIMUM),
            402,
            "payment_requirements_mismatch",
        ),
        (pay(&accepted, MAXIMUM - 1), 402, "ceiling_below_need"),
    ] {
        let answer = send(&world, &SAY, &[(PAYMENT_SIGNATURE, &payment)]).await;
        assert_eq!(code(&answer), (status, expected.to_owned()));
        let refusal = answer.payment().expect("whoever paid is answered");
        assert_eq!(
            (refusal.success, refusal.error_reason.as_deref()),
            (false, Some(expected))
        );
    }
    assert!(world.upstream.received().is_empty());
    answers(&world, 200, "audio/wav", "sound");
    let headers = [(PAYMENT_SIGNATURE, good.as_str())];
    assert_eq!(send(&world, &SAY, &headers).await.status, 200);
    let again = send(&world, &SAY, &headers).await;
    assert_eq!(code(&again), (402, "voucher_used".to_owned()));
    assert_eq!(world.upstream.received().len(), 1);
}

#[tokio::test]
async fn bytes_pass_unchanged_and_cost_what_they_are() {
    let world = world().await;
    answers(&world, 200, "audio/wav", "sound");
    let ask = Ask {
        path: "/v1/audio/speech?voice=anna&format=%20wav",
        ..SAY
    };
    let answer = buy(&world, &ask, MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"sound".as_slice())
    );
    assert_eq!(answer.headers["content-type"], "audio/wav");
    assert_eq!(answer.headers["cache-control"], "private");
    let charged = 100 + TEXT.len() as u64 + 2 * 5;
    assert_eq!(answer.charged(), charged);
    assert_eq!(world.charged_at_rest().await, charged);

    let received = world
        .upstream
        .received()
        .pop()
        .expect("the upstream was asked");
    assert_eq!(
        (received.method.as_str(), received.path.as_str()),
        ("POST", ask.path)
    );
    assert_eq!(received.bytes, TEXT);
    assert_eq!(received.headers["content-type"], "text/plain");
    assert_eq!(received.headers["authorization"], "Bearer upstream-secret");
    assert!(!received.headers.contains_key(PAYMENT_SIGNATURE));

    let extra = answer
        .payment()
        .and_then(|payment| payment.extra)
        .expect("figures");
    let token = extra.receipt.expect("a receipt");
    let claims = verify(&token, &world.channel.settler).expect("the settler signed it");
    let Some(Sold::Route(sold)) = claims.sold else {
        panic!("a route was sold");
    };
    assert_eq!(sold.route, "POST /v1/audio/speech");
    assert_eq!(
        (sold.usage.request_bytes, sold.usage.answer_bytes),
        (TEXT.len() as u64, 5)
    );
    assert_eq!((sold.maximum, sold.set), (BaseUnits(MAXIMUM), None));
    assert_eq!(Sold::Route(sold).charge(), BaseUnits(charged));
}

#[tokio::test]
async fn every_method_can_be_sold() {
    let world = world().await;
    answers(&world, 204, "text/plain", "");
    for (number, (method, path)) in [
        (Method::GET, "/v1/voices/J%C3%BCrgen"),
        (Method::DELETE, "/v1/voices/anna"),
        // The same path is sold by another method, for a model.
        (Method::GET, "/v1/chat/completions"),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = Ask {
            method: method.clone(),
            ..get(path)
        };
        let answer = buy(&world, &ask, 1_000 + number as u64).await;
        assert_eq!((answer.status, answer.charged()), (204, 7), "{path}");
        let received = world.upstream.received().pop().expect("it was asked");
        assert_eq!(
            (received.method.as_str(), received.path.as_str()),
            (method.as_str(), path)
        );
    }
    assert_eq!(world.charged_at_rest().await, 3 * 7);
}

#[tokio::test]
async fn what_fails_costs_nothing() {
    let world = world().await;
    answers(&world, 500, "text/plain", "out of voices");
    let answer = buy(&world, &SAY, MAXIMUM).await;
    assert_eq!((answer.status, answer.charged()), (500, 0));
    assert_eq!(answer.body, b"out of voices");
    world.upstream.behave(Behaviour::CutJson);
    let answer = buy(&world, &SAY, MAXIMUM + 1).await;
    assert_eq!(code(&answer), (502, "upstream_invalid".to_owned()));
    assert_eq!(answer.charged(), 0);
    answers(&world, 302, "text/plain", "");
    let answer = buy(&world, &SAY, MAXIMUM + 2).await;
    assert_eq!(code(&answer), (502, "upstream_invalid".to_owned()));
    assert_eq!(answer.charged(), 0);
    assert_eq!(world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn more_bytes_than_were_paid_for_cost_the_maximum() {
    let world = world().await;
    let long: &str = "0123456789012345678901234567890123456789012345678901234567890123";
    answers(&world, 200, "audio/wav", long);
    let answer = buy(&world, &SAY, MAXIMUM).await;
    assert_eq!(answer.body, long.as_bytes());
    assert_eq!(answer.charged(), MAXIMUM);

    // A stream is ended.
    world.upstream.behave(Behaviour::Endless);
    let answer = buy(&world, &SAY, 2 * MAXIMUM).await;
    assert!(answer.whole, "the client is told, not cut off");
    let text = String::from_utf8_lossy(answer.before_receipt()).into_owned();
    let last = text.trim_end().lines().last().expect("there are events");
    let last: Value =
        serde_json::from_str(last.trim_start_matches("data: ")).expect("an event of JSON");
    assert_eq!(last["error"]["code"], "reserve_spent");
    assert_eq!(answer.charged(), MAXIMUM);
    assert_eq!(world.charged_at_rest().await, 2 * MAXIMUM);
    let stopped = || world.upstream.streams_open() == 0;
    world.until("the upstream is stopped", stopped).await;
}

#[tokio::test]
async fn an_event_stream_passes_as_it_comes_and_ends_with_its_receipt() {
    let world = world().await;
    let events = "data: one\n\ndata: two\n\n";
    answers(&world, 200, "text/event-stream", events);
    let answer = buy(&world, &SAY, MAXIMUM).await;
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.before_receipt(), events.as_bytes());
    let charged = 100 + TEXT.len() as u64 + 2 * events.len() as u64;
    assert_eq!(answer.charged(), charged);
    assert_eq!(world.charged_at_rest().await, charged);
}

#[tokio::test]
async fn a_free_route_takes_the_same_way_without_payment() {
    let world = world().await;
    answers(&world, 200, "application/json", "[]");
    let answer = send(&world, &get("/v1/voices?language=de"), &[("cookie", "a=b")]).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"[]".as_slice())
    );
    assert!(answer.payment().is_none());
    let received = world.upstream.received().pop().expect("it was asked");
    assert_eq!(received.path, "/v1/voices?language=de");
    assert!(!received.headers.contains_key("cookie"));
    answers(&world, 200, "text/event-stream", "data: one\n\n");
    let answer = send(&world, &get("/v1/voices"), &[]).await;
    assert_eq!(answer.body, b"data: one\n\n");
}

#[tokio::test]
async fn whoever_asks_again_gets_the_same_and_pays_once() {
    let world = world().await;
    answers(&world, 200, "audio/wav", "sound");
    let accepted = way(&world, &SAY).await;
    let key = ("idempotency-key", "0123456789abcdef");
    let first = world.agent(0).pay(&accepted, MAXIMUM);
    let first = send(&world, &SAY, &[(PAYMENT_SIGNATURE, &first), key]).await;
    answers(&world, 200, "audio/wav", "another sound");
    let second = world.agent(0).pay(&accepted, 2 * MAXIMUM);
    let headers = [(PAYMENT_SIGNATURE, second.as_str()), key];
    let again = send(&world, &SAY, &headers).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(
        (again.body.as_slice(), again.status),
        (b"sound".as_slice(), 200)
    );
    assert_eq!(again.headers["content-type"], "audio/wav");
    assert_eq!(again.payment(), first.payment());
    assert_eq!(world.upstream.received().len(), 1);
    // Another query is another request.
    let other = Ask {
        path: "/v1/audio/speech?voice=anna",
        ..SAY
    };
    let other = send(&world, &other, &headers).await;
    assert_eq!(code(&other), (409, "idempotency_key_reused".to_owned()));
    assert_eq!(world.charged_at_rest().await, first.charged());
}

#[tokio::test]
async fn a_client_that_goes_away_pays_for_the_request_and_what_came() {
    let world = world().await;
    world.upstream.behave(Behaviour::StallAfterOne);
    let accepted = way(&world, &SAY).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let request = world.http.post(world.url(SPEECH)).body(TEXT);
    let request = request.header(PAYMENT_SIGNATURE, payment).send();
    let mut response = request.await.expect("the gateway answers");
    let piece = response
        .chunk()
        .await
        .expect("it streams")
        .expect("an event");
    drop(response);
    let charged = 100 + TEXT.len() as u64 + 2 * piece.len() as u64;
    assert_eq!(world.charged_at_rest().await, charged.min(MAXIMUM));
}

#[tokio::test]
async fn the_client_of_the_sdk_buys_plain_requests() {
    let world = world().await;
    answers(&world, 200, "audio/wav", "sound");
    let client = paying_client(&world, 1, &world.running().url());
    let charged = 100 + TEXT.len() as u64 + 2 * 5;
    for number in 1..=2_u64 {
        let request = PaidRequest::plain(Method::POST, "/v1/audio/speech?voice=anna", TEXT);
        let answer = client.send(request).await.expect("it is sold");
        let answer = answer.finish().await.expect("it is whole");
        assert_eq!(
            (answer.status, answer.body.as_ref()),
            (200, b"sound".as_slice())
        );
        let receipt = answer.receipt.expect("it was paid for");
        assert_eq!(receipt.charged, BaseUnits(charged));
        assert_eq!(receipt.charged_total, BaseUnits(number * charged));
        assert_eq!(receipt.maximum, BaseUnits(MAXIMUM));
        assert!(receipt.signed.is_some(), "it is about what was asked");
    }
    let known = client.known_prices();
    let maximum = known.route_maximum("POST", SPEECH, TEXT.len() as u64);
    assert_eq!(maximum, Some(BaseUnits(MAXIMUM)), "the second needs no 402");
    answers(&world, 200, "application/json", "[]");
    let free = PaidRequest::plain(Method::GET, "/v1/voices", "");
    let free = client.send(free).await.expect("it is free");
    assert!(free.finish().await.expect("it is whole").receipt.is_none());
}

#[tokio::test]
async fn a_proxy_pays_for_plain_routes_as_for_models() {
    let world = world().await;
    answers(&world, 200, "audio/wav", "sound");
    let client = paying_client(&world, 0, &world.running().url());
    let proxy = SigningProxy::start(client, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let proxy = proxy.expect("a free port");
    let url = format!("{}{SPEECH}?voice=anna", proxy.url());
    let request = world.http.post(url).header("content-type", "text/plain");
    let answer = Answer::read(request.body(TEXT).send().await.expect("it answers")).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"sound".as_slice())
    );
    assert_eq!(answer.headers["content-type"], "audio/wav");
    let received = world.upstream.received().pop().expect("it was asked");
    assert_eq!(received.path, format!("{SPEECH}?voice=anna"));
    assert_eq!(received.headers["content-type"], "text/plain");
    let spent = proxy.shutdown().await;
    assert_eq!(
        (spent.requests, spent.charged.0),
        (1, world.charged_at_rest().await)
    );
}

#[tokio::test]
async fn whoever_looks_finds_the_routes() {
    let world = world().await;
    let answer = send(&world, &get("/.well-known/x402"), &[]).await;
    let catalogue = answer.json();
    let resources = catalogue["resources"].as_array().expect("a list");
    let find = |method: &str, path: &str| {
        let url = world.url(path);
        let mut resources = resources.iter();
        resources
            .find(|resource| resource["method"] == method && resource["resource"] == url.as_str())
            .unwrap_or_else(|| panic!("{method} {path} is listed"))
    };
    let speech = &find("POST", SPEECH)["accepts"];
    let price = &speech[0]["extra"]["pricing"]["routes"]["POST /v1/audio/speech"];
    assert_eq!(price["perRequest"], "100");
    assert_eq!(
        price["answer"],
        json!({"perMillionBytes": "2000000", "maxBytes": 50})
    );
    assert!(
        speech[0].get("amount").is_none(),
        "it follows from a request"
    );
    assert_eq!(
        find("GET", "/v1/voices/*")["accepts"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        find("GET", "/v1/voices")["accepts"],
        json!([]),
        "it is free"
    );
    // A page may use what is sold.
    let preflight = world
        .http
        .request(Method::OPTIONS, world.url("/v1/voices/anna"))
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "DELETE");
    let preflight = preflight.send().await.expect("the gateway answers");
    let allowed = &preflight.headers()["access-control-allow-methods"];
    assert_eq!(allowed, "GET,POST,DELETE");
}

/// The routes that docs/sell.md shows.
fn documented() -> farthing_verifier::config::PricingConfig {
    let page = include_str!("../../../docs/sell.md");
    let blocks = page.split("```toml\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let routes: String = blocks
        .filter(|block| block.starts_with("[pricing.routes"))
        .collect();
    let rest = "[http]\nupstream = \"http://127.0.0.1:1\"\n[store]\npath = \"x\"\n[chain]\nrpc_url = \"http://127.0.0.1:1\"\n\
        network = \"solana:x\"\nmint = \"4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU\"\n\
        payee = \"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM\"\n";
    let config = farthing_verifier::Config::from_toml(&format!("{rest}{routes}"));
    config.expect("the page is right").pricing
}

#[tokio::test]
async fn the_documented_routes_are_sold() {
    let routes = documented().routes;
    let listed = routes.clone();
    let world = World::configured(|config| config.pricing.routes = listed).await;
    let client = paying_client(&world, 0, &world.url(""));
    assert_eq!(routes.len(), 7);
    for route in routes.keys() {
        let (method, path) = (route.method(), route.path().replace('*', "alloy"));
        let method: Method = method.parse().expect("a method");
        let asked = world.upstream.received().len();
        let request = PaidRequest::plain(method.clone(), &path, "{\"input\": \"hi\"}");
        let answer = client.send(request).await.expect("it is paid for");
        assert_eq!(answer.status(), 200, "{method} {path}");
        let receipt = answer.finish().await.expect("it is whole").receipt;
        assert!(
            receipt.expect("it has one").charged > BaseUnits::ZERO,
            "{path}"
        );
        let received = world.upstream.received();
        assert_eq!(received.len(), asked + 1);
        assert_eq!(received[asked].path, path);
        assert_eq!(received[asked].bytes, "{\"input\": \"hi\"}");
    }
}
