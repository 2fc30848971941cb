//! Tests of the gateway with a third-party upstream.

use farthing_cli::dev::Options;
use farthing_client::paying_client::FinishedAnswer;
use farthing_protocol::BaseUnits;
use farthing_tests::end_to_end::aimock::Aimock;
use farthing_tests::end_to_end::peers::node_modules;
use farthing_tests::end_to_end::world::{FundedWorld, ask, cost};
use farthing_wire::pricing::Usage;
use serde_json::{Value, json};

/// Any name: aimock answers for all.
const MODEL: &str = "gpt-4o-mini";

/// The usage that an answer reports, whole or in the last event of its stream that has one.
fn usage(answer: &FinishedAnswer) -> Usage {
    let text = String::from_utf8_lossy(&answer.body);
    let objects = text
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut reported = objects.filter_map(|object| {
        let usage = object.get("usage")?;
        (!usage.is_null()).then(|| usage.clone())
    });
    let reported = reported.next_back();
    let reported = reported.expect("the upstream reports usage");
    let number = |name: &str| reported.get(name).and_then(Value::as_u64);
    let either = |first: &str, second: &str| number(first).or_else(|| number(second));
    Usage {
        prompt_tokens: either("prompt_tokens", "input_tokens").expect("as OpenAI does"),
        completion_tokens: either("completion_tokens", "output_tokens").unwrap_or_default(),
        ..Usage::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_upstream_is_sold_to_the_base_unit() {
    let Some(node_modules) = node_modules() else {
        return;
    };
    let aimock = Aimock::start(&node_modules);
    let options = Options {
        upstream: Some(aimock.url().to_owned()),
        model: Some(MODEL.to_owned()),
        ..Options::default()
    };
    let setting = FundedWorld::start(&options, |_| ()).await;
    let price = setting.world.sale.price();
    let client = setting.client(0).await;
    let mut charged = 0;
    for stream in [false, true] {
        for question in ["plain question", "exact usage"] {
            let mut body = setting.chat(question, stream);
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            let answer = ask(&client, body).await;
            assert_eq!(answer.status, 200);
            let expected = price.charge(usage(&answer), BaseUnits(u64::MAX));
            assert_eq!(cost(&answer), expected.0, "{question}, stream {stream}");
            charged += cost(&answer);
        }
        // 11 tokens at 2.50 and 7 at 10 USDC per million.
        let exact = ask(&client, setting.chat("exact usage", stream)).await;
        assert_eq!(cost(&exact), 98);
        charged += 98;

        // Whatever an upstream claims, no client pays more than it signed for.
        let boundless = ask(&client, setting.chat("boundless usage", stream)).await;
        let receipt = boundless
            .receipt
            .as_ref()
            .expect("a paid answer has a receipt");
        assert_eq!(receipt.charged, receipt.maximum);
        charged += cost(&boundless);

        let failed = ask(&client, setting.chat("upstream error", stream)).await;
        assert_eq!((failed.status, cost(&failed)), (500, 0));
        let unknown = ask(
            &client,
            setting.chat("a question without a fixture", stream),
        )
        .await;
        assert_eq!((unknown.status, cost(&unknown)), (404, 0));
    }
    assert_eq!(setting.charged(), charged);
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_real_upstream_cuts_off_is_charged_for_what_came() {
    let Some(node_modules) = node_modules() else {
        return;
    };
    let aimock = Aimock::start(&node_modules);
    let options = Options {
        upstream: Some(aimock.url().to_owned()),
        model: Some(MODEL.to_owned()),
        ..Options::default()
    };
    let setting = FundedWorld::start(&options, |_| ()).await;
    let client = setting.client(0).await;
    let body = setting.chat("cut off", true);
    ask(&client, setting.chat("exact usage", false)).await;
    let before = setting.charged();

    let answer = client.chat(body).await.expect("the payment is accepted");
    let cut = answer.finish().await;
    let is_whole =
        cut.is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains("data: [DONE]"));
    assert!(!is_whole, "a part does not pass for the whole");
    let after = setting.charged();
    assert!(after > before, "what came is paid for");

    // The lane goes on, and everything that was charged is settled.
    ask(&client, setting.chat("exact usage", false)).await;
    assert_eq!(setting.charged(), after + 98);
    setting.close_and_reconcile().await;
}
