//! Tests of the layer that sells an application's own handlers: the gateway's paywall without an upstream.

use std::time::{Duration, Instant};

use farthing_client::paying_client::PaidRequest;
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::shop::{EVENT, PRICE, Shop};
use farthing_tests::gateway::{Answer, World, paying_client};
use farthing_wire::receipt::{Sold, verify};
use farthing_wire::x402::{PAYMENT_SIGNATURE, PaymentRequirements};
use reqwest::Method;
use serde_json::Value;

const KEY: (&str, &str) = ("idempotency-key", "0123456789abcdef");
const BODY: &str = "abcdefg";
/// What a request of [`BODY`] costs before an answer comes, and at most.
const REQUEST: u64 = 100 + BODY.len() as u64;
const MAXIMUM: u64 = REQUEST + 2 * 60;

/// A gateway with an application beside it that sells on the same books.
struct Setting {
    world: World,
    shop: Shop,
}

impl Setting {
    async fn start() -> Self {
        let world = World::start().await;
        let shop = Shop::open(world.running().seller()).await;
        Self { world, shop }
    }

    fn request(&self, what: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let url = self.shop.url(&format!("/goods/{what}"));
        let mut request = self.world.http.post(url).body(BODY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    async fn begin(&self, what: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let sent = self.request(what, headers).send().await;
        sent.expect("the application answers")
    }

    async fn send(&self, what: &str, headers: &[(&str, &str)]) -> Answer {
        Answer::read(self.begin(what, headers).await).await
    }

    async fn way(&self, what: &str) -> PaymentRequirements {
        self.send(what, &[]).await.required().accepts.remove(0)
    }

    async fn payment(&self, what: &str, authorized: u64) -> String {
        self.world.agent(0).pay(&self.way(what).await, authorized)
    }

    async fn buy(&self, what: &str, authorized: u64) -> Answer {
        let payment = self.payment(what, authorized).await;
        self.send(what, &[(PAYMENT_SIGNATURE, &payment)]).await
    }
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn what_has_not_paid_is_told_how_and_is_not_served() {
    let setting = Setting::start().await;
    let answer = setting.send("echo", &[]).await;
    assert_eq!(code(&answer), (402, "payment_required".to_owned()));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.contains_key("payment-methods"));
    let body = answer.json();
    assert_eq!(body["x402Version"], 1);
    assert_eq!(body["accepts"][0]["maxAmountRequired"], MAXIMUM.to_string());
    let required = answer.required();
    assert_eq!(required.resource.url, setting.shop.url("/goods/echo"));
    assert_eq!(required.accepts[0].amount, BaseUnits(MAXIMUM));
    let extra = required.accepts[0].escrow_extra().expect("it is complete");
    assert_eq!(extra.settler, setting.world.channel.settler);
    assert_eq!(extra.pricing.routes["POST /goods/*"], PRICE);

    let page = setting.send("echo", &[("accept", "text/html")]).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.required(), required, "in its header it says the same");
    assert_eq!(setting.shop.calls(), 0);
}

#[tokio::test]
async fn what_does_not_pay_is_refused_with_its_reason() {
    let setting = Setting::start().await;
    let accepted = setting.way("echo").await;
    let agent = setting.world.agent(0);
    let mut cheap = accepted.clone();
    cheap.amount = BaseUnits(MAXIMUM - 1);
    let mut stranger = agent.clone();
    stranger.key = setting.world.agent(1).key;
    let mut elsewhere = agent.clone();
    elsewhere.lane = 999;
    for (payment, status, expected) in [
        ("%%%".to_owned(), 400, "payment_header_malformed"),
        (
            agent.pay(&cheap, MAXIMUM),
            402,
            "payment_requirements_mismatch",
        ),
        (agent.pay(&accepted, MAXIMUM - 1), 402, "ceiling_below_need"),
        (stranger.pay(&accepted, MAXIMUM), 402, "signature_invalid"),
        (elsewhere.pay(&accepted, MAXIMUM), 402, "lane_unknown"),
    ] {
        let answer = setting.send("echo", &[(PAYMENT_SIGNATURE, &payment)]).await;
        assert_eq!(code(&answer), (status, expected.to_owned()));
        let refusal = answer.payment().expect("whoever paid is answered");
        assert_eq!(refusal.error_reason.as_deref(), Some(expected));
    }
    let good = agent.pay(&accepted, MAXIMUM);
    let twice = [(PAYMENT_SIGNATURE, good.as_str()), ("payment-info", &good)];
    let answer = setting.send("echo", &twice).await;
    assert_eq!(code(&answer), (400, "payment_header_malformed".to_owned()));
    let short = [
        (PAYMENT_SIGNATURE, good.as_str()),
        ("idempotency-key", "short"),
    ];
    let answer = setting.send("echo", &short).await;
    assert_eq!(code(&answer), (400, "idempotency_key_invalid".to_owned()));
    assert_eq!(setting.shop.calls(), 0, "nothing was served for it");

    let headers = [(PAYMENT_SIGNATURE, good.as_str())];
    assert_eq!(setting.send("echo", &headers).await.status, 200);
    let again = setting.send("echo", &headers).await;
    assert_eq!(code(&again), (402, "voucher_used".to_owned()));
    assert_eq!(setting.shop.calls(), 1);
}

#[tokio::test]
async fn what_has_paid_is_served_and_charged_by_its_bytes() {
    let setting = Setting::start().await;
    let answer = setting.buy("echo", MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, BODY.as_bytes())
    );
    assert_eq!(answer.headers["cache-control"], "private");
    let charged = REQUEST + 2 * BODY.len() as u64;
    assert_eq!(answer.charged(), charged);
    assert_eq!(setting.world.charged_at_rest().await, charged);
    let extra = answer.payment().and_then(|payment| payment.extra);
    let token = extra.and_then(|extra| extra.receipt).expect("a receipt");
    let claims = verify(&token, &setting.world.channel.settler).expect("it is signed");
    let sold = claims.sold.expect("it was just sold");
    assert_eq!(sold.charge(), claims.charged);
    assert!(matches!(sold, Sold::Route(sold) if sold.route == "POST /goods/*"));
    // A service is asked whether it is ready before it is called, whatever is in front of it.
    let url = setting.shop.url("/picky");
    let required = Answer::read(
        setting
            .world
            .http
            .get(&url)
            .send()
            .await
            .expect("it answers"),
    );
    let accepted = required.await.required().accepts.remove(0);
    let payment = setting.world.agent(0).pay(&accepted, 2 * MAXIMUM);
    let request = setting
        .world
        .http
        .get(&url)
        .header(PAYMENT_SIGNATURE, payment);
    let answer = Answer::read(request.send().await.expect("it answers")).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"ready".as_slice())
    );
}

#[tokio::test]
async fn a_handler_sets_its_charge_up_to_the_maximum() {
    let setting = Setting::start().await;
    for (number, (what, charged)) in [("cheap", 3), ("greedy", MAXIMUM), ("events-cheap", 5)]
        .into_iter()
        .enumerate()
    {
        let answer = setting.buy(what, (number as u64 + 1) * MAXIMUM).await;
        assert_eq!((answer.status, answer.charged()), (200, charged), "{what}");
        let response = answer.stream_receipt().or_else(|| answer.payment());
        let extra = response
            .and_then(|response| response.extra)
            .expect("figures");
        let token = extra.receipt.expect("a receipt");
        let claims = verify(&token, &setting.world.channel.settler).expect("it is signed");
        let sum = claims.sold.map(|sold| sold.charge());
        assert_eq!(sum, Some(BaseUnits(charged)), "{what}");
    }
    let total = setting.world.charged_at_rest().await;
    assert_eq!(total, 3 + MAXIMUM + 5);
}

#[tokio::test]
async fn what_fails_costs_nothing_and_leaves_nothing_reserved() {
    let setting = Setting::start().await;
    for (number, (what, status, expected)) in [
        ("missing", 404, None),
        ("broken", 500, None),
        ("panic", 500, Some("internal_error")),
        ("cut", 502, Some("upstream_invalid")),
        ("panics-later", 502, Some("upstream_invalid")),
    ]
    .into_iter()
    .enumerate()
    {
        let number = 2 * number as u64;
        let payment = setting.payment(what, MAXIMUM + number).await;
        let answer = setting.send(what, &[(PAYMENT_SIGNATURE, &payment)]).await;
        assert_eq!((answer.status, answer.charged()), (status, 0), "{what}");
        if let Some(expected) = expected {
            assert_eq!(answer.code(), expected, "{what}");
        }
        // The same where somebody may ask again, which is served apart from its connection.
        let payment = setting.payment(what, MAXIMUM + number + 1).await;
        let headers = [(PAYMENT_SIGNATURE, payment.as_str()), KEY];
        let answer = setting.send(what, &headers).await;
        assert_eq!((answer.status, answer.charged()), (status, 0), "{what}");
    }
    assert_eq!(setting.world.charged_at_rest().await, 0);
}

#[tokio::test]
async fn an_event_stream_passes_as_it_comes_and_ends_with_its_receipt() {
    let setting = Setting::start().await;
    let answer = setting.buy("events", MAXIMUM).await;
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.before_receipt(), EVENT.as_bytes());
    let charged = REQUEST + 2 * EVENT.len() as u64;
    assert_eq!(answer.charged(), charged);
    assert_eq!(setting.world.charged_at_rest().await, charged);

    // More than was paid for ends it.
    let answer = setting.buy("events-endless", charged + MAXIMUM).await;
    assert!(answer.whole);
    let text = String::from_utf8_lossy(answer.before_receipt()).into_owned();
    let last = text.trim_end().lines().last().expect("there are events");
    let last: Value = serde_json::from_str(last.trim_start_matches("data: ")).expect("JSON");
    assert_eq!(last["error"]["code"], "reserve_spent");
    assert_eq!(answer.charged(), MAXIMUM);
    assert_eq!(setting.world.charged_at_rest().await, charged + MAXIMUM);
    let stopped = || setting.shop.streams_open() == 0;
    setting
        .world
        .until("the handler's stream is dropped", stopped)
        .await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_cut_and_charged_what_came() {
    let setting = Setting::start().await;
    let charged = REQUEST + 2 * EVENT.len() as u64;
    for (number, what) in ["events-cut", "events-panic"].into_iter().enumerate() {
        let before = number as u64 * charged;
        let answer = setting.buy(what, before + MAXIMUM).await;
        assert!(!answer.whole, "{what}: no part passes for the whole");
        assert_eq!(answer.before_receipt(), EVENT.as_bytes(), "{what}");
        assert_eq!(answer.charged(), charged, "{what}");
        assert_eq!(setting.world.charged_at_rest().await, before + charged);
    }
}

#[tokio::test]
async fn a_client_that_leaves_pays_for_its_request_and_what_came() {
    let setting = Setting::start().await;
    let payment = setting.payment("events-stall", MAXIMUM).await;
    let headers = [(PAYMENT_SIGNATURE, payment.as_str())];
    let mut response = setting.begin("events-stall", &headers).await;
    let event = response
        .chunk()
        .await
        .expect("it streams")
        .expect("an event");
    assert_eq!(event, EVENT);
    drop(response);
    let streamed = REQUEST + 2 * EVENT.len() as u64;
    assert_eq!(setting.world.charged_at_rest().await, streamed);
    assert_eq!(
        setting.shop.streams_open(),
        0,
        "the handler's stream is dropped"
    );

    // Before the answer: the handler is dropped as well.
    let payment = setting.payment("slow", streamed + MAXIMUM).await;
    let request = setting.request("slow", &[(PAYMENT_SIGNATURE, &payment)]);
    let gone = tokio::spawn(request.send());
    setting
        .world
        .until("it runs", || setting.shop.calls() == 2)
        .await;
    gone.abort();
    assert_eq!(setting.world.charged_at_rest().await, streamed + REQUEST);
    assert_eq!(setting.shop.finished(), 0);
}

#[tokio::test]
async fn whoever_asks_again_gets_the_same_and_pays_once() {
    let setting = Setting::start().await;
    let first = setting.payment("slow", MAXIMUM).await;
    let request = setting.request("slow", &[(PAYMENT_SIGNATURE, &first), KEY]);
    let gone = tokio::spawn(request.send());
    setting
        .world
        .until("it runs", || setting.shop.calls() == 1)
        .await;
    gone.abort();
    // The answer waits for whoever asks again; meanwhile that one waits for the answer.
    let second = setting.payment("slow", 2 * MAXIMUM).await;
    let request = setting.request("slow", &[(PAYMENT_SIGNATURE, &second), KEY]);
    let again =
        tokio::spawn(async { Answer::read(request.send().await.expect("it answers")).await });
    setting.shop.go();
    let again = again.await.expect("it does not panic");
    assert_eq!(
        (again.status, again.body.as_slice()),
        (200, b"at last".as_slice())
    );
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let charged = REQUEST + 2 * "at last".len() as u64;
    assert_eq!(again.charged(), charged);
    assert_eq!((setting.shop.calls(), setting.shop.finished()), (1, 1));
    // A stream as well.
    let third = setting.payment("events", 3 * MAXIMUM).await;
    let headers = [
        (PAYMENT_SIGNATURE, third.as_str()),
        ("idempotency-key", "another-key-of-mine"),
    ];
    let first = setting.send("events", &headers).await;
    let again = setting.send("events", &headers).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, first.body);
    // The key is for what was asked first.
    let other = setting.send("echo", &headers).await;
    assert_eq!(code(&other), (409, "idempotency_key_reused".to_owned()));
    let total = charged + REQUEST + 2 * EVENT.len() as u64;
    assert_eq!(setting.world.charged_at_rest().await, total);
}

#[tokio::test]
async fn the_handler_runs_while_its_payment_becomes_durable_and_nothing_leaves_before() {
    let setting = Setting::start().await;
    let delay = Duration::from_millis(400);
    for (number, what) in ["echo", "events"].into_iter().enumerate() {
        let payment = setting.payment(what, (number as u64 + 1) * MAXIMUM).await;
        setting.world.store.delay(delay);
        let began = Instant::now();
        let headers = [(PAYMENT_SIGNATURE, payment.as_str())];
        let answering = setting.begin(what, &headers);
        let running = async {
            let runs = || setting.shop.calls() == number + 1;
            setting.world.until("the handler runs", runs).await;
            began.elapsed()
        };
        let (response, ran_after) = tokio::join!(answering, running);
        assert!(ran_after < delay, "{what}: it waits for nothing");
        assert!(began.elapsed() >= delay, "{what}: headers are bytes, too");
        assert_eq!(Answer::read(response).await.status, 200);
        setting.world.store.delay(Duration::ZERO);
    }
}

#[tokio::test]
async fn a_store_that_fails_serves_nothing() {
    let setting = Setting::start().await;
    let accepted = setting.way("echo").await;
    setting.world.store.fail();
    for (number, what) in ["echo", "events"].into_iter().enumerate() {
        let authorized = (number as u64 + 1) * MAXIMUM;
        let payment = setting.world.agent(0).pay(&accepted, authorized);
        let answer = setting.send(what, &[(PAYMENT_SIGNATURE, &payment)]).await;
        assert_eq!(
            code(&answer),
            (503, "store_unavailable".to_owned()),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_crash_leaves_the_last_checkpoint_and_no_voucher_unused() {
    let mut setting = Setting::start().await;
    let payment = setting.payment("events-stall", MAXIMUM).await;
    let headers = [(PAYMENT_SIGNATURE, payment.as_str())];
    let mut response = setting.begin("events-stall", &headers).await;
    response
        .chunk()
        .await
        .expect("it streams")
        .expect("an event");
    setting.world.two_checkpoints().await;
    setting.world.crash().await;
    let charged = REQUEST + 2 * EVENT.len() as u64;
    assert_eq!(setting.world.charged_at_rest().await, charged);
    setting.shop = Shop::open(setting.world.running().seller()).await;
    let again = setting.send("echo", &headers).await;
    assert_eq!(code(&again), (402, "voucher_used".to_owned()));
}

#[tokio::test]
async fn what_was_charged_is_settled_on_the_chain() {
    let setting = Setting::start().await;
    let charged = setting.buy("echo", MAXIMUM).await.charged();
    let report = setting.world.running().settle_now().await;
    assert_eq!(
        report.expect("the chain is up").base_units,
        BaseUnits(charged)
    );
    assert_eq!(setting.world.debited(0), charged);
}

#[tokio::test]
async fn the_client_of_the_sdk_buys_wherever_the_router_is() {
    let setting = Setting::start().await;
    setting.world.clock.follow_the_system();
    let client = paying_client(&setting.world, 0, &setting.shop.url(""));
    let charged = REQUEST + 2 * BODY.len() as u64;
    for (number, path) in [
        "/goods/echo",
        "/within/goods/echo",
        "/within/goods/echo?a=b",
    ]
    .into_iter()
    .enumerate()
    {
        let request = PaidRequest::plain(Method::POST, path, BODY);
        let answer = client.send(request).await.expect("it is sold");
        let answer = answer.finish().await.expect("it is whole");
        assert_eq!(
            (answer.status, answer.body.as_ref()),
            (200, BODY.as_bytes()),
            "{path}"
        );
        let receipt = answer.receipt.expect("it was paid for");
        assert_eq!(receipt.charged_total.0, (number as u64 + 1) * charged);
        assert!(
            receipt.signed.is_some(),
            "{path}: it is about what was asked"
        );
    }
    let routes: Vec<String> = client.known_prices().routes.into_keys().collect();
    assert_eq!(routes, ["POST /goods/*", "POST /within/goods/*"]);
    // What becomes of its lane it may ask here as well.
    let told = client.resynchronise().await.expect("the seller tells");
    assert_eq!(told.state.charged.0, 3 * charged);
}

#[tokio::test]
async fn a_seller_without_a_gateway_drains_and_settles_before_it_ends() {
    let mut world = World::start().await;
    world.verifier = None;
    let seller = world.start_seller(Duration::from_secs(20)).await;
    let shop = Shop::open(&seller).await;
    let send = |payment: Option<String>| {
        let mut request = world.http.post(shop.url("/goods/slow")).body(BODY);
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        async { Answer::read(request.send().await.expect("it answers")).await }
    };
    let accepted = send(None).await.required().accepts.remove(0);
    let slow = tokio::spawn(send(Some(world.agent(0).pay(&accepted, MAXIMUM))));
    world.until("it runs", || shop.calls() == 1).await;
    let ending = tokio::spawn(seller.shutdown());
    let refused = loop {
        let answer = send(None).await;
        if answer.status != 402 {
            break answer;
        }
    };
    assert_eq!(code(&refused), (503, "shutting_down".to_owned()));
    shop.go();
    let slow = slow.await.expect("it does not panic");
    let charged = REQUEST + 2 * "at last".len() as u64;
    assert_eq!(
        (slow.status, slow.charged()),
        (200, charged),
        "what was begun ends"
    );
    let report = ending.await.expect("it does not panic");
    assert_eq!(
        report.expect("the chain is up").base_units,
        BaseUnits(charged)
    );
    assert_eq!(world.debited(0), charged);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off_and_charged_what_was_asked() {
    let mut world = World::start().await;
    world.verifier = None;
    let seller = world.start_seller(Duration::from_millis(100)).await;
    let shop = Shop::open(&seller).await;
    let url = shop.url("/goods/slow");
    let unpaid = world.http.post(&url).body(BODY).send().await;
    let unpaid = Answer::read(unpaid.expect("it answers")).await;
    let payment = world.agent(0).pay(&unpaid.required().accepts[0], MAXIMUM);
    let request = world
        .http
        .post(&url)
        .body(BODY)
        .header(PAYMENT_SIGNATURE, payment);
    let slow =
        tokio::spawn(async { Answer::read(request.send().await.expect("it answers")).await });
    world.until("it runs", || shop.calls() == 1).await;
    let report = seller.shutdown().await.expect("the chain is up");
    let slow = slow.await.expect("it does not panic");
    assert_eq!(code(&slow), (503, "shutting_down".to_owned()));
    assert_eq!(shop.finished(), 0);
    assert_eq!(report.base_units, BaseUnits(REQUEST));
    assert_eq!(world.debited(0), REQUEST);
}
