//! Tests of the gateway with a real inference engine: at temperature 0 the same question has the same answer and the same
//! usage, asked directly and through the gateway.

use farthing_cli::dev::Options;
use farthing_client::paying_client::PaidRequest;
use farthing_tests::end_to_end::llama::{Llama, RANDOM};
use farthing_tests::end_to_end::peers::python;
use farthing_tests::end_to_end::world::FundedWorld;
use farthing_wire::pricing::{Dialect, Endpoint, Usage};
use farthing_wire::receipt::{CountedBy, Sold};
use serde_json::{Value, json};

/// A question that is asked directly and through the gateway.
struct Question {
    endpoint: Endpoint,
    body: String,
}

fn question(endpoint: Endpoint, body: &str) -> Question {
    let body = format!(r#"{{"model":"{RANDOM}","temperature":0,{body}}}"#);
    Question { endpoint, body }
}

fn questions() -> Vec<Question> {
    use Endpoint::{ChatCompletions, Completions, Messages, Responses};
    let asked = r#""messages":[{"role":"user","content":"A question of a few words?"}]"#;
    let schema = r#"{"type":"object","properties":{"reasoning":{"type":"string","maxLength":24},"answer":{"type":"boolean"}},"required":["reasoning","answer"]}"#;
    let format = format!(
        r#""response_format":{{"type":"json_schema","json_schema":{{"name":"a","schema":{schema}}}}}"#
    );
    let usage = r#""stream":true,"stream_options":{"include_usage":true}"#;
    vec![
        question(ChatCompletions, &format!(r#""max_tokens":40,{asked}"#)),
        question(
            ChatCompletions,
            &format!(r#""max_tokens":40,{usage},{asked}"#),
        ),
        // The keys of the answer have the order of the schema.
        question(
            ChatCompletions,
            &format!(r#""max_tokens":120,{format},{asked}"#),
        ),
        question(
            ChatCompletions,
            &format!(r#""max_tokens":120,{usage},{format},{asked}"#),
        ),
        // Fields of this engine, and values that only the exact bytes keep apart.
        question(
            ChatCompletions,
            &format!(
                r#""max_tokens":12,"top_k":5,"min_p":0.05,"repeat_penalty":1.1000000000000001,"seed":18446744073709551615,{asked}"#
            ),
        ),
        question(
            ChatCompletions,
            &format!(r#""max_tokens":12,"grammar":"root ::= \"yes\" | \"no\"",{asked}"#),
        ),
        question(
            Completions,
            r#""max_tokens":16,"prompt":"Once upon a time""#,
        ),
        question(
            Completions,
            &format!(r#""max_tokens":16,{usage},"prompt":"Once upon a time""#),
        ),
        question(
            Responses,
            r#""max_output_tokens":16,"store":false,"input":"A question?""#,
        ),
        question(
            Responses,
            r#""max_output_tokens":16,"store":false,"stream":true,"input":"A question?""#,
        ),
        question(Messages, &format!(r#""max_tokens":16,{asked}"#)),
        question(
            Messages,
            &format!(r#""max_tokens":16,"stream":true,{asked}"#),
        ),
    ]
}

/// What two answers to the same question have in common: everything but names, times and the speed of this machine.
fn comparable(answer: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(answer);
    let data = text
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line));
    let objects = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    objects.map(without_what_changes).collect()
}

fn without_what_changes(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, _)| {
                let changing = [
                    "id",
                    "item_id",
                    "created",
                    "created_at",
                    "completed_at",
                    "timings",
                ];
                !changing.contains(&name.as_str())
            })
            .map(|(name, value)| (name, without_what_changes(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_what_changes).collect(),
        value => value,
    }
}

/// The usage that an answer reports: the last number of each kind.
fn usage(answer: &[Value]) -> Usage {
    let places = ["/usage", "/response/usage", "/message/usage"];
    let reports: Vec<&Value> = answer
        .iter()
        .flat_map(|object| places.iter().filter_map(|place| object.pointer(place)))
        .collect();
    let last = |names: &[&str]| {
        let mut values = reports.iter().rev();
        let value =
            values.find_map(|report| names.iter().find_map(|name| report.pointer(name)?.as_u64()));
        value.unwrap_or_default()
    };
    let input = last(&["/prompt_tokens", "/input_tokens"]);
    // In Anthropic's API beside the input.
    let cached_beside = last(&["/cache_read_input_tokens"]);
    let cached_within = last(&[
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
    ]);
    Usage {
        prompt_tokens: input + cached_beside,
        cached_tokens: cached_within + cached_beside,
        completion_tokens: last(&["/completion_tokens", "/output_tokens"]),
        ..Usage::default()
    }
}

/// A gateway that sells the engine's model.
async fn sold(llama: &Llama) -> FundedWorld {
    let options = Options {
        upstream: Some(llama.url().to_owned()),
        model: Some(RANDOM.to_owned()),
        ..Options::default()
    };
    FundedWorld::start(&options, |config| {
        config.http.upstream_dialect = Some(Dialect::LlamaCpp);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_the_same_answer_through_the_gateway() {
    let Some(python) = python() else {
        return;
    };
    let llama = Llama::start(&python);
    let setting = sold(&llama).await;
    let client = setting.client(0).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        // The engine closes connections that were idle for some seconds.
        .pool_max_idle_per_host(0)
        .build()
        .expect("it can be built");
    for Question { endpoint, body } in questions() {
        let url = format!("{}{}", llama.url(), endpoint.path());
        let direct = async || {
            let request = http.post(&url).header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await.expect("it answers");
            assert_eq!(answer.status(), 200, "{body}");
            answer.bytes().await.expect("the answer is whole")
        };
        // The engine remembers the question, and says so in its usage.
        direct().await;
        let expected = comparable(&direct().await);
        assert!(!expected.is_empty(), "{body}");

        let request = PaidRequest::of_model(endpoint, body.clone());
        let answer = client.send(request).await.expect("the payment is accepted");
        let answer = answer.finish().await.expect("the answer is whole");
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(comparable(&answer.body), expected, "{body}");

        let receipt = answer.receipt.expect("a paid answer has a receipt");
        let signed = receipt.signed.expect("it is signed");
        let Some(Sold::Tokens(sold)) = signed.claims.sold else {
            panic!("tokens are sold: {body}");
        };
        assert_eq!(sold.usage.counted_by, CountedBy::Upstream, "{body}");
        let usage = usage(&expected);
        assert_eq!(
            (sold.usage.input_tokens, sold.usage.output_tokens),
            (usage.prompt_tokens, usage.completion_tokens),
            "{body}"
        );
        assert_eq!(sold.usage.cached_tokens, usage.cached_tokens, "{body}");
    }
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_a_schema_is_the_order_of_the_answer() {
    let Some(python) = python() else {
        return;
    };
    let llama = Llama::start(&python);
    let setting = sold(&llama).await;
    let client = setting.client(0).await;
    for (first, second) in [("reasoning", "answer"), ("answer", "reasoning")] {
        let body = format!(
            r#"{{"model":"{RANDOM}","temperature":0,"max_tokens":120,"messages":[{{"role":"user","content":"Why?"}}],
            "response_format":{{"type":"json_schema","json_schema":{{"name":"a","schema":{{"type":"object",
            "properties":{{"{first}":{{"type":"boolean"}},"{second}":{{"type":"boolean"}}}},
            "required":["{first}","{second}"]}}}}}}}}"#
        );
        let request = PaidRequest::of_model(Endpoint::ChatCompletions, body);
        let answer = client.send(request).await.expect("the payment is accepted");
        let answer = answer.finish().await.expect("the answer is whole");
        let answer: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        let content = answer["choices"][0]["message"]["content"].as_str();
        let content = content.expect("it has a text");
        let at = |key| {
            content
                .find(&json!(key).to_string())
                .expect("the key is there")
        };
        assert!(at(first) < at(second), "{content}");
    }
    setting.close_and_reconcile().await;
}
