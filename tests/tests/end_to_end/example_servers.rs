//! Tests of the example servers, which use the published x402 packages and sell through the verifier: our client buys,
//! and the payment is settled on the chain.

use std::net::{Ipv4Addr, SocketAddr};

use farthing_cli::dev::Options;
use farthing_cli::signing_proxy::SigningProxy;
use farthing_client::paying_client::{FinishedAnswer, PaidRequest, PayingClient};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_tests::end_to_end::example_server::{Example, facilitating, losing};
use farthing_tests::end_to_end::raw::{signed, voucher};
use farthing_tests::end_to_end::server::Server;
use farthing_tests::end_to_end::world::{FundedWorld, cost};
use farthing_wire::x402::{
    PAYMENT_REQUIRED, PAYMENT_RESPONSE, PAYMENT_SIGNATURE, PaymentPayload, PaymentRequired,
    SettleResponse, X402_VERSION, decode_header, encode_header,
};
use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use solana_sdk::signer::Signer;

/// What the weather costs, and a day of the forecast.
const PRICE: u64 = 1_000;
const MAX_FORECAST: BaseUnits = BaseUnits(10_000);

/// A world whose verifier is a facilitator, and a server in front of it.
async fn world(example: Example) -> Option<(FundedWorld, Server)> {
    let setting = FundedWorld::start(&Options::default(), facilitating).await;
    let url = setting.world.verifier.url();
    let server = example.start(&url, &setting.world.economy.payee())?;
    Some((setting, server))
}

async fn buy(client: &PayingClient, path: &str) -> FinishedAnswer {
    let request = PaidRequest::plain(Method::GET, path, "");
    let answer = client.send(request).await.expect("the payment is accepted");
    answer.finish().await.expect("the answer is whole")
}

fn json_of(answer: &FinishedAnswer) -> Value {
    serde_json::from_slice(&answer.body).expect("the server answers with JSON")
}

/// What lane 0 has reserved.
fn reserved(setting: &FundedWorld) -> u64 {
    let address = &setting.funded.address;
    let lane = setting
        .world
        .verifier
        .lane(address, LaneIndex(0), Generation(0));
    lane.expect("the verifier knows the lane").reserved.0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_express_server_sells_through_the_verifier() {
    sells_through_the_verifier(Example::Express).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fastapi_server_sells_through_the_verifier() {
    sells_through_the_verifier(Example::FastApi).await;
}

async fn sells_through_the_verifier(example: Example) {
    let Some((setting, server)) = world(example).await else {
        return;
    };
    let client = setting.client_of(server.url(), 0).await;
    let weather = buy(&client, "/weather?city=Lisbon").await;
    assert_eq!(
        (weather.status, json_of(&weather)),
        (200, json!({"report": "sun"}))
    );
    assert_eq!(cost(&weather), PRICE);
    let receipt = weather.receipt.expect("it was paid for");
    let signed = receipt.signed.expect("the settler signed it");
    assert_eq!(signed.claims.charged, BaseUnits(PRICE));
    assert_eq!(signed.claims.request, None, "the verifier saw no request");

    // By use: up to ten days were reserved, three are charged.
    let forecast = buy(&client, "/forecast?days=3").await;
    assert_eq!(
        json_of(&forecast)["reports"],
        json!(["rain", "rain", "rain"])
    );
    assert_eq!(cost(&forecast), 3 * PRICE);
    let receipt = forecast.receipt.expect("it was paid for");
    assert_eq!(receipt.maximum, MAX_FORECAST);

    // What fails costs nothing and holds nothing.
    let nowhere = buy(&client, "/weather?city=Nowhere").await;
    assert_eq!((nowhere.status, nowhere.receipt), (404, None));
    assert_eq!((setting.charged(), reserved(&setting)), (4 * PRICE, 0));

    // A client that begins anew is told what its lane has signed, through the server's 402.
    let anew = setting.client_of(server.url(), 0).await;
    assert_eq!(cost(&buy(&anew, "/weather").await), PRICE);
    let many = join_all((0..20).map(|_| buy(&anew, "/weather"))).await;
    assert!(many.iter().all(|answer| cost(answer) == PRICE));
    assert_eq!(setting.charged(), 25 * PRICE);

    // Any program buys, through the proxy that pays.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = SigningProxy::start(setting.client_of(server.url(), 1).await, address)
        .await
        .expect("a free port");
    let answer = reqwest::get(format!("{}/weather?city=Lisbon", proxy.url())).await;
    let answer = answer.expect("the proxy is up").text().await;
    assert_eq!(
        answer.expect("it is whole"),
        json!({"report": "sun"}).to_string()
    );
    let spent = proxy.shutdown().await;
    assert_eq!((spent.requests, spent.charged), (1, BaseUnits(PRICE)));
    assert_eq!(setting.charged(), 26 * PRICE);
    setting.close_and_reconcile().await;
}

/// Asks for the weather, with or without a payment.
async fn get(server: &Server, payment: Option<&str>) -> Response {
    let request = reqwest::Client::new().get(format!("{}/weather", server.url()));
    let request = match payment {
        Some(payment) => request.header(PAYMENT_SIGNATURE, payment),
        None => request,
    };
    request.send().await.expect("the server is up")
}

fn required(answer: &Response) -> PaymentRequired {
    let header = &answer.headers()[PAYMENT_REQUIRED];
    decode_header(header.as_bytes()).expect("the 402 is well formed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_sent_again_buys_nothing() {
    for example in Example::ALL {
        if let Some((setting, server)) = world(example).await {
            buys_nothing_again(setting, server).await;
        }
    }
}

async fn buys_nothing_again(setting: FundedWorld, server: Server) {
    let answer = get(&server, None).await;
    assert_eq!(answer.status(), 402);
    let accepted = required(&answer).accepts.remove(0);
    let extra = accepted
        .escrow_extra()
        .expect("the scheme's fields are there");
    assert_eq!(extra.settler, setting.world.economy.settler().pubkey());

    let address = setting.funded.address;
    let channel = setting.world.economy.channel(&address).await;
    let domain = channel.expect("it is open").header.domain;
    let payload = signed(address, voucher(domain, 5 * PRICE), &setting.funded.keys[0]);
    let payment = encode_header(&PaymentPayload {
        x402_version: X402_VERSION,
        payload: serde_json::to_value(payload).expect("a payload is JSON"),
        accepted,
        resource: None,
        extensions: None,
    });
    let answers = join_all((0..20).map(|_| get(&server, Some(&payment)))).await;
    let (paid, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status().is_success());
    assert_eq!(paid.len(), 1);
    for answer in &refused {
        assert_eq!(answer.status(), 402);
        assert_eq!(required(answer).error.as_deref(), Some("voucher_used"));
    }
    let header = paid[0].headers()[PAYMENT_RESPONSE].as_bytes();
    let told: SettleResponse = decode_header(header).expect("the receipt is well formed");
    assert_eq!(told.amount, Some(BaseUnits(PRICE)));
    assert_eq!((setting.charged(), reserved(&setting)), (PRICE, 0));
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_verifier_that_is_lost_costs_nothing_twice() {
    for example in Example::ALL {
        let setting = FundedWorld::start(&Options::default(), facilitating).await;
        let url = losing(&setting.world.verifier.url()).await;
        let Some(server) = example.start(&url, &setting.world.economy.payee()) else {
            continue;
        };
        let client = setting.client_of(server.url(), 0).await;
        for total in [PRICE, 2 * PRICE] {
            let weather = buy(&client, "/weather").await;
            assert_eq!((weather.status, cost(&weather)), (200, PRICE));
            assert_eq!((setting.charged(), reserved(&setting)), (total, 0));
        }
        setting.close_and_reconcile().await;
    }
}
