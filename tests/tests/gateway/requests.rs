//! What clients send: it reaches the upstream byte for byte, within the limits that are paid for.

use bytesize::ByteSize;
use farthing_tests::gateway::world::{MODEL, chat};
use farthing_tests::gateway::{Answer, Behaviour, Upstream, World};
use farthing_verifier::config::UpstreamConfig;
use farthing_wire::pricing::{Dialect, OutputLimitField};
use farthing_wire::x402::PAYMENT_SIGNATURE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Sends a body as it is, with a payment.
async fn pay_raw(world: &World, body: &str, value: u64) -> Answer {
    let request = || {
        world
            .http
            .post(world.url("/v1/chat/completions"))
            .body(body.to_owned())
    };
    let quoted = Answer::read(request().send().await.expect("it answers")).await;
    let accepted = quoted.required().accepts.remove(0);
    let payment = world.agent(0).pay(&accepted, value);
    let paid = request().header(PAYMENT_SIGNATURE, payment).send().await;
    Answer::read(paid.expect("it answers")).await
}

fn received(world: &World) -> String {
    let received = world.upstream.received().pop().expect("it was asked");
    String::from_utf8(received.bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn bodies_pass_byte_for_byte_with_what_is_set_spliced_in() {
    let world = World::start().await;
    let schema = r#"{"type":"json_schema","json_schema":{"schema":{"properties":{"reasoning":{"type":"string"},"answer":{"type":"number"}}}}}"#;
    let body = format!(
        "{{ \"model\": \"{MODEL}\", \"seed\": 123456789012345678901234567890, \"temperature\": 1.50,\n \"messages\": [{{\"role\": \"user\", \
         \"content\": \"caf\\u00e9 \\/\"}}], \"response_format\": {schema}, \"max_tokens\": 7}}"
    );
    let answer = pay_raw(&world, &body, 1_000).await;
    assert_eq!(answer.status, 200);
    assert_eq!(received(&world), body, "nothing needed a change");
    let above = body.replace("\"max_tokens\": 7", "\"max_tokens\": 7000");
    assert_eq!(pay_raw(&world, &above, 2_000).await.status, 200);
    let sent = received(&world);
    assert!(
        sent.contains(schema) && sent.contains("123456789012345678901234567890"),
        "{sent}"
    );
    assert!(
        sent.contains("\"temperature\":1.50") && sent.contains("caf\\u00e9 \\/"),
        "{sent}"
    );
    assert!(sent.ends_with("\"max_tokens\":100}"), "{sent}");
}

#[tokio::test]
async fn of_two_values_only_the_one_that_was_priced_is_sent() {
    let world = World::start().await;
    let body = format!(
        r#"{{"model":"{MODEL}","max_tokens":4096,"messages":[{{"role":"user","content":"x"}}],"max_tokens":5}}"#
    );
    assert_eq!(pay_raw(&world, &body, 1_000).await.status, 200);
    let sent = received(&world);
    assert_eq!(
        (sent.matches("max_tokens").count(), sent.contains("4096")),
        (1, false)
    );
    let nested = format!(
        r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"x","content":"y"}}]}}"#
    );
    let request = world
        .http
        .post(world.url("/v1/chat/completions"))
        .body(nested);
    let answer = Answer::read(request.send().await.expect("it answers")).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "invalid_request".to_owned())
    );
}

#[tokio::test]
async fn refusals_name_the_field_the_reason_and_the_setting() {
    let world = World::start().await;
    for (field, value, parts) in [
        (
            "unheard_of",
            json!(1),
            &["unheard_of", "not a known field", "pricing.allow_fields"][..],
        ),
        (
            "models",
            json!(["a"]),
            &["another model", "pricing.drop_fields"],
        ),
        (
            "tools",
            json!([{"type": "web_search"}]),
            &[
                "tools.web_search",
                "[pricing.models.<model>.tools.web_search]",
            ],
        ),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]),
            &["messages.content.image_url", "tokens_per_image"],
        ),
    ] {
        let mut body = chat(MODEL, false);
        body[field] = value;
        let answer = world.send(&body, None).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "field_not_bounded".to_owned())
        );
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
    // The settings that messages name exist.
    let world = World::configured(|config| {
        config.pricing.allow_fields = vec!["unheard_of".to_owned()];
        config.pricing.drop_fields = vec!["models".to_owned()];
        if let Some(model) = config.pricing.models.get_mut(MODEL) {
            model.tokens_per_image = Some(10);
        }
    })
    .await;
    let mut body = chat(MODEL, false);
    body["unheard_of"] = json!(1);
    body["models"] = json!(["a"]);
    assert_eq!(world.pay(&body, 1_000).await.status, 200);
    let sent: Value = serde_json::from_str(&received(&world)).expect("JSON");
    assert_eq!((&sent["unheard_of"], sent.get("models")), (&json!(1), None));
}

#[tokio::test]
async fn long_bodies_need_a_payment() {
    let world = World::configured(|config| {
        config.http.max_body_bytes = ByteSize(8_192);
        config.http.max_unpaid_body_bytes = ByteSize(4_096);
    })
    .await;
    let payment = {
        let accepted = world.requirements(&chat(MODEL, false)).await;
        world.agent(0).pay(&accepted, 1_000)
    };
    let mut body = chat(MODEL, false);
    body["user"] = json!("x".repeat(5_000));
    let unpaid = world.send(&body, None).await;
    assert_eq!(
        (unpaid.status, unpaid.code()),
        (413, "body_too_large".to_owned())
    );
    assert!(
        unpaid.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .contains("payment")
    );
    assert_eq!(
        world.send(&body, Some(&payment)).await.status,
        200,
        "its price is the same"
    );
    body["user"] = json!("x".repeat(9_000));
    let above = world.send(&body, Some(&payment)).await;
    assert_eq!(
        (above.status, above.code()),
        (413, "body_too_large".to_owned())
    );
    let request = world.http.post(world.url("/v1/chat/completions"));
    let packed = request
        .header("content-encoding", "gzip")
        .body("x")
        .send()
        .await;
    assert_eq!(packed.expect("it answers").status(), 415);
}

#[tokio::test]
async fn each_model_goes_to_its_upstream_under_its_name_there() {
    let other = Upstream::start().await;
    let url = format!("{}/v1/", other.url());
    let world = World::configured(move |config| {
        let model = config.pricing.models[MODEL].clone();
        let renamed = farthing_verifier::config::ModelConfig {
            upstream_model: Some("qwen/qwen3".to_owned()),
            output_limit_field: Some(OutputLimitField::MaxTokens),
            ..model.clone()
        };
        config.pricing.models.insert("small-*".to_owned(), model);
        config.pricing.models.insert("qwen3".to_owned(), renamed);
        config.upstream = vec![UpstreamConfig {
            name: "second".to_owned(),
            url,
            api_key: Some("second-secret".into()),
            dialect: Some(Dialect::Vllm),
            models: vec!["qwen*".to_owned()],
        }];
    })
    .await;
    assert_eq!(world.pay(&chat("qwen3", true), 1_000).await.status, 200);
    let sent = other.received().pop().expect("it was asked");
    assert_eq!(sent.body["model"], "qwen/qwen3");
    assert_eq!(sent.body["max_tokens"], 100);
    assert_eq!(sent.body["stream_options"]["continuous_usage_stats"], true);
    assert_eq!(sent.headers["authorization"], "Bearer second-secret");
    assert!(world.upstream.received().is_empty());
    assert_eq!(world.pay(&chat("small-1", false), 2_000).await.status, 200);
    assert_eq!(world.upstream.received().len(), 1);
    // Patterns are listed where the upstream's own list names what they match, and any name can be asked for.
    other.behave(Behaviour::Raw {
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: r#"{"data":[{"id":"small-7"},{"id":"unsold"}]}"#,
    });
    let get = async |path: &str| {
        let answer = world
            .http
            .get(world.url(path))
            .send()
            .await
            .expect("it answers");
        Answer::read(answer).await
    };
    let list = get("/v1/models").await.json();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|model| model["id"].as_str())
        .collect();
    assert_eq!(ids, ["qwen3", "demo", "free", "small-7"]);
    assert_eq!(get("/v1/models/small-9").await.json()["id"], "small-9");
    assert_eq!(get("/v1/models/org/name").await.code(), "model_not_priced");
    let lost = world
        .http
        .post(world.url("/chat/completions"))
        .send()
        .await
        .expect("it answers");
    let lost = Answer::read(lost).await;
    assert_eq!(lost.status, 404);
    let message = lost.json()["error"]["message"].to_string();
    assert!(message.contains("/v1/chat/completions"), "{message}");
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_is_not_the_clients_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // Answers the first request of each connection, and closes it as the second one comes.
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                let _ = socket.read(&mut buffer).await;
                let body = r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = socket.read(&mut buffer).await;
            });
        }
    });
    let world = World::configured(|config| config.http.upstream = Some(url)).await;
    for number in 1..6 {
        let answer = world.pay(&chat(MODEL, false), number * 1_000).await;
        assert_eq!((answer.status, answer.charged()), (200, 20));
    }
}

#[tokio::test]
async fn a_body_of_nine_megabytes_is_paid_for_at_once() {
    let world = World::configured(|config| {
        config.http.max_unpaid_body_bytes = bytesize::ByteSize::kib(64);
        let model = config.pricing.models.get_mut(MODEL).expect("it is sold");
        model.tokens_per_image = Some(1_000);
    })
    .await;
    let image = format!("data:image/png;base64,{}", "iVBORw0K".repeat(9 << 17));
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": image}}]}]});
    let client = farthing_tests::gateway::paying_client(&world, 0, &world.url(""));
    let answer = client.chat(body.clone()).await.expect("it is paid for");
    let answer = answer.finish().await.expect("the answer is whole");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body["messages"], body["messages"]);
    // Who does not know the price is told how to learn it.
    let refused = world.send(&body, None).await;
    assert_eq!(
        (refused.status, refused.code()),
        (413, "body_too_large".to_owned())
    );
}
