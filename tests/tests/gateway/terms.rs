//! Tests that the 402 is understood by clients of both x402 versions, by clients of the OpenAI API, and by people.

use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, World};
use farthing_wire::x402::{NETWORK_DEVNET, PAYMENT_SIGNATURE, SCHEME};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const MAXIMUM: u64 = 239;

fn post(world: &World) -> RequestBuilder {
    let request = world.http.post(world.url("/v1/chat/completions"));
    request.json(&chat(MODEL, false))
}

async fn answer(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.expect("the gateway answers")).await
}

#[tokio::test]
async fn the_body_is_for_two_kinds_of_clients() {
    let world = World::start().await;
    let answer = world.send(&chat(MODEL, false), None).await;
    let body = answer.json();
    assert_eq!(body["error"]["code"], "payment_required");
    assert_eq!(body["error"]["type"], "payment_required_error");
    assert!(body["error"]["message"].is_string());
    assert_eq!(body["x402Version"], 1);
    let [way] = body["accepts"].as_array().expect("a list").as_slice() else {
        panic!("there is one way to pay");
    };
    let required = answer.required();
    let header = &required.accepts[0];
    let expected = json!({
        "scheme": SCHEME,
        "network": "solana-devnet",
        "maxAmountRequired": MAXIMUM.to_string(),
        "resource": world.url("/v1/chat/completions"),
        "description": required.resource.description,
        "mimeType": "application/json",
        "outputSchema": {"input": {"type": "http", "method": "POST"}},
        "payTo": header.pay_to,
        "maxTimeoutSeconds": header.max_timeout_seconds,
        "asset": header.asset,
        "extra": header.extra,
    });
    assert_eq!(*way, expected);
    let methods = format!(
        "{SCHEME};network=\"{NETWORK_DEVNET}\";amount=\"{MAXIMUM}\";asset=\"{}\"",
        header.asset
    );
    assert_eq!(answer.headers["payment-methods"], methods);
    // Errors that ask for nothing have nothing of this.
    let other = world.send(&chat("gpt-9", false), None).await;
    assert_eq!(other.status, 404);
    assert_eq!(other.headers["cache-control"], "no-store");
    assert!(!other.headers.contains_key("payment-methods"));
    assert_eq!(other.json().as_object().map(serde_json::Map::len), Some(1));
}

fn assert_page(answer: &Answer) -> String {
    assert_eq!(answer.status, 402);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let policy = answer.headers["content-security-policy"].to_str();
    let policy = policy.expect("a policy is text");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    let page = String::from_utf8(answer.body.clone()).expect("the page is UTF-8");
    for resource in ["<script", "<link", "<img", "src=", "style=", "http-equiv"] {
        assert!(!page.contains(resource), "{resource}");
    }
    page
}

#[tokio::test]
async fn a_browser_gets_a_page() {
    let world = World::start().await;
    let first = answer(post(&world).header("accept", BROWSER)).await;
    let page = assert_page(&first);
    assert!(page.contains("0.000239 USDC"));
    assert!(page.contains(&world.channel.payee.to_string()));
    assert_eq!(first.required().accepts.len(), 1, "the header stays");
    // Whoever types the URL asks for nothing that has a price yet.
    let visit = world.http.get(world.url("/v1/chat/completions"));
    let visit = answer(visit.header("accept", BROWSER)).await;
    assert!(!assert_page(&visit).contains("costs at most"));
    // Programs get JSON, whatever else they take.
    for accept in [
        "*/*",
        "application/json",
        "text/html;q=0.1, application/json",
    ] {
        let program = answer(post(&world).header("accept", accept)).await;
        assert_eq!(
            (program.status, program.code().as_str()),
            (402, "payment_required")
        );
        assert_eq!(program.headers["vary"], "accept");
    }
    // Other errors are no pages.
    let body = chat("gpt-9", false);
    let other = world
        .http
        .post(world.url("/v1/chat/completions"))
        .json(&body);
    let other = answer(other.header("accept", BROWSER)).await;
    assert_eq!(
        (other.status, other.code().as_str()),
        (404, "model_not_priced")
    );
}

#[tokio::test]
async fn the_host_that_a_client_names_is_escaped() {
    let world = World::start().await;
    let request = post(&world)
        .header("accept", BROWSER)
        .header("host", "\"><script>x</script>");
    assert_page(&answer(request).await);
}

#[tokio::test]
async fn the_payment_has_a_second_name() {
    let world = World::start().await;
    let accepted = world.requirements(&chat(MODEL, false)).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    for headers in [
        [
            ("payment-info", payment.as_str()),
            ("payment-info", payment.as_str()),
        ],
        [
            ("payment-info", payment.as_str()),
            (PAYMENT_SIGNATURE, payment.as_str()),
        ],
        [("payment-info", "not base64!"), ("x-other", "x")],
    ] {
        let mut request = post(&world);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let refused = answer(request).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "payment_header_malformed")
        );
        assert!(refused.payment().is_some_and(|payment| !payment.success));
    }
    let paid = answer(post(&world).header("payment-info", &payment)).await;
    assert_eq!((paid.status, paid.charged()), (200, 20));
}

fn preflight(world: &World, origin: &str) -> RequestBuilder {
    let request = world
        .http
        .request(Method::OPTIONS, world.url("/v1/chat/completions"));
    request
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "payment-signature,x-stainless-os",
        )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[tokio::test]
async fn any_page_may_pay_and_none_has_credentials() {
    let world = World::start().await;
    let allowed = answer(preflight(&world, "https://app.example.com")).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(
        text(&allowed.headers, "access-control-allow-origin"),
        Some("*")
    );
    assert_eq!(
        text(&allowed.headers, "access-control-allow-methods"),
        Some("GET,POST")
    );
    assert_eq!(
        text(&allowed.headers, "access-control-allow-headers"),
        Some("payment-signature,x-stainless-os")
    );
    assert_eq!(
        text(&allowed.headers, "access-control-allow-credentials"),
        None
    );
    // What a page may read, of refusals as of answers; an upstream has no say in it.
    world.upstream.behave(Behaviour::Raw {
        status: 200,
        headers: vec![
            ("content-type", "application/json"),
            ("access-control-allow-origin", "https://evil.example.com"),
            ("access-control-allow-credentials", "true"),
            ("payment-methods", "free"),
        ],
        body: r#"{"usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#,
    });
    let accepted = world.requirements(&chat(MODEL, false)).await;
    let payment = world.agent(0).pay(&accepted, MAXIMUM);
    let refused = answer(post(&world).header("origin", "https://app.example.com")).await;
    let paid = post(&world).header("origin", "https://app.example.com");
    let paid = answer(paid.header(PAYMENT_SIGNATURE, payment)).await;
    assert_eq!((refused.status, paid.status), (402, 200));
    assert_eq!(paid.headers["cache-control"], "private");
    for headers in [&refused.headers, &paid.headers] {
        assert_eq!(
            headers
                .get_all("access-control-allow-origin")
                .iter()
                .count(),
            1
        );
        assert_eq!(text(headers, "access-control-allow-origin"), Some("*"));
        assert_eq!(text(headers, "access-control-allow-credentials"), None);
        let exposed = text(headers, "access-control-expose-headers").unwrap_or_default();
        for name in [
            "payment-required",
            "payment-response",
            "payment-methods",
            "idempotent-replayed",
        ] {
            assert!(exposed.split(',').any(|exposed| exposed == name), "{name}");
        }
    }
    assert!(!paid.headers.contains_key("payment-methods"));
}

#[tokio::test]
async fn a_provider_may_choose_the_pages() {
    let world = World::configured(|config| {
        config.http.cors_origins = vec!["https://app.example.com".to_owned()];
    })
    .await;
    for (origin, expected) in [
        ("https://app.example.com", Some("https://app.example.com")),
        ("https://other.example.com", None),
        ("null", None),
    ] {
        let allowed = answer(preflight(&world, origin)).await;
        assert_eq!(
            text(&allowed.headers, "access-control-allow-origin"),
            expected,
            "{origin}"
        );
    }
}
