//! Tests of the paying client with providers that lie: whatever they answer, one request gives away at most what it may
//! cost.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use farthing_client::paying_client::PayError;
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{World, paying_client_with};
use farthing_wire::x402::{PAYMENT_REQUIRED, PAYMENT_SIGNATURE, decode_header, encode_header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Base units by which a voucher may lie above what is needed, so that two clients of a lane sign different values.
const ROUNDING: u64 = 2_048;

/// What a provider answers to a payment.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// It was used, and charged in full.
    Charged,
    /// It was used before, and nothing more.
    Used,
    /// It is below the need, because the price has risen ten times.
    Dearer,
    /// It is refused, and a state that the lane never signed is shown.
    Invented,
}

struct Provider {
    lie: Lie,
    /// A true 402.
    required: Value,
    /// The ceilings of the vouchers that were received.
    signed: Mutex<Vec<u64>>,
}

impl Provider {
    async fn start(world: &World, lie: Lie) -> (Arc<Self>, String) {
        let terms = world.send(&chat(MODEL, false), None).await.required();
        let provider = Arc::new(Self {
            lie,
            required: serde_json::to_value(terms).expect("it is JSON"),
            signed: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&provider));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (provider, format!("http://{address}"))
    }

    fn highest(&self) -> u64 {
        let signed = self.signed.lock().expect("not poisoned");
        signed.iter().copied().max().unwrap_or_default()
    }
}

async fn answer(
    State(provider): State<Arc<Provider>>,
    uri: Uri,
    headers: HeaderMap,
    _body: Bytes,
) -> Response {
    if uri.path().starts_with("/x402/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut required = provider.required.clone();
    let payment = headers.get(PAYMENT_SIGNATURE);
    if let Some(payment) = payment {
        let payment: Value = decode_header(payment.as_bytes()).expect("clients encode well");
        let voucher = &payment["payload"];
        let authorized = voucher["authorized"].as_str().expect("a number");
        provider
            .signed
            .lock()
            .expect("not poisoned")
            .push(authorized.parse().expect("a number"));
        let state = |charged: &str| json!({"authorized": authorized, "signature": voucher["signature"], "charged": charged, "reserved": "0"});
        let extra = &mut required["accepts"][0]["extra"];
        match provider.lie {
            Lie::Charged => extra["voucherState"] = state(authorized),
            Lie::Used => {}
            Lie::Dearer => extra["voucherState"] = state("0"),
            Lie::Invented => {
                extra["voucherState"] = state("900000");
                extra["voucherState"]["authorized"] = "900000".into();
            }
        }
        if matches!(provider.lie, Lie::Dearer) {
            let dearer = required["accepts"][0]["amount"].as_str().expect("a number");
            let dearer: u64 = dearer.parse().expect("a number");
            required["accepts"][0]["amount"] = (10 * dearer).to_string().into();
        }
        let code = match provider.lie {
            Lie::Dearer => "ceiling_below_need",
            _ => "voucher_used",
        };
        required["error"] = code.into();
    }
    let header = encode_header(&required);
    let body = json!({"error": {"code": required["error"], "message": "no"}}).to_string();
    (
        StatusCode::PAYMENT_REQUIRED,
        [(PAYMENT_REQUIRED, header)],
        body,
    )
        .into_response()
}

#[tokio::test]
async fn one_request_gives_away_at_most_one_maximum() {
    let world = World::start().await;
    let maximum = world.requirements(&chat(MODEL, false)).await.amount.0;
    for lie in [Lie::Charged, Lie::Used, Lie::Invented] {
        let (provider, url) = Provider::start(&world, lie).await;
        let client = paying_client_with(&world, 0, &url, |_| ());
        let answer = client.chat(chat(MODEL, false)).await;
        assert!(answer.is_err(), "{lie:?}");
        let highest = provider.highest();
        assert!(highest > 0, "{lie:?}: it was tried");
        assert!(highest <= maximum + ROUNDING, "{lie:?}: {highest}");
    }
}

#[tokio::test]
async fn a_price_that_jumps_is_an_error_that_names_both() {
    let world = World::start().await;
    let maximum = world.requirements(&chat(MODEL, false)).await.amount.0;
    let (provider, url) = Provider::start(&world, Lie::Dearer).await;
    let client = paying_client_with(&world, 0, &url, |config| config.max_price_jump = Some(4));
    let error = client.chat(chat(MODEL, false)).await;
    let error = error.expect_err("it is ten times as dear");
    assert!(matches!(error, PayError::PriceJumped { .. }), "{error}");
    for price in [maximum, 10 * maximum] {
        let price = farthing_wire::amount::Usdc(BaseUnits(price)).to_string();
        assert!(error.to_string().contains(&price), "{error}");
    }
    assert!(provider.highest() <= maximum + ROUNDING);

    // Without a factor the limit of a request still holds.
    let (provider, url) = Provider::start(&world, Lie::Dearer).await;
    let client = paying_client_with(&world, 0, &url, |config| {
        config.max_price_per_request = Some(BaseUnits(2 * maximum));
    });
    let error = client.chat(chat(MODEL, false)).await;
    let error = error.expect_err("it is too dear");
    assert!(matches!(error, PayError::TooExpensive { .. }), "{error}");
    assert!(provider.highest() <= maximum + ROUNDING);
}
