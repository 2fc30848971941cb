//! Tests of unmodified third-party clients that buy through the paying proxy from a third-party upstream.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use farthing_cli::dev::Options;
use farthing_cli::signing_proxy::SigningProxy;
use farthing_tests::end_to_end::aimock::Aimock;
use farthing_tests::end_to_end::peers::{agent_modules, node_modules, python};
use farthing_tests::end_to_end::world::FundedWorld;
use serde_json::{Value, json};
use tokio::process::Command;

/// Tokens of the text that the clients embed, at one base unit each.
const EMBEDDED_TOKENS: u64 = 5;

/// Any name: aimock answers for all.
const MODEL: &str = "gpt-4o-mini";
/// What its fixture says, and what that costs: 11 tokens at 2.50 and 7 at 10 USDC per million.
const SAID: (&str, u64) = ("Eleven in, seven out.", 98);

/// What the fixtures of a tool loop cost: 20 tokens and 10 for the call, 40 and 6 for the answer.
const LOOP: u64 = 150 + 160;
/// What another answer of 20 tokens and 10 costs.
const ONCE: u64 = 150;

/// What a client printed, and what the proxy spent for it.
struct Ran {
    printed: Value,
    requests: u64,
    charged: u64,
}

/// Runs a client against the whole way to the upstream. Afterwards the receipts, the books and the chain agree to the base
/// unit.
async fn run(interpreter: &Path, script: &str, node_modules: &Path) -> Ran {
    let aimock = Aimock::start(node_modules);
    let options = Options {
        upstream: Some(aimock.url().to_owned()),
        model: Some(MODEL.to_owned()),
        ..Options::default()
    };
    let setting = FundedWorld::start(&options, |config| {
        // Codex offers it with every question.
        config.pricing.drop_tools = vec!["web_search".to_owned()];
    })
    .await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = SigningProxy::start(setting.client(0).await, address)
        .await
        .expect("a free port");

    let output = Command::new(interpreter)
        .arg(script)
        .args([format!("{}/v1", proxy.url()), MODEL.to_owned()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
        .output()
        .await
        .expect("the client starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {stderr}");
    let printed = serde_json::from_slice(&output.stdout).expect("it prints JSON");

    let spent = proxy.shutdown().await;
    assert_eq!(setting.charged(), spent.charged.0, "receipts and books");
    setting.close_and_reconcile().await;
    Ran {
        printed,
        requests: spent.requests,
        charged: spent.charged.0,
    }
}

/// Runs a client that asks the same in several ways, and embeds a text.
async fn sells_to(interpreter: &Path, script: &str, answers: usize, node_modules: &Path) -> Value {
    let ran = run(interpreter, script, node_modules).await;
    let result = ran.printed;
    assert_eq!(result["said"], json!(vec![SAID.0; answers]), "{script}");
    let refused = json!({"status": 404, "code": "model_not_priced"});
    assert_eq!(result["refused"], refused, "{script}");
    assert!(result["dimensions"].as_u64() > Some(0), "{script}");

    assert_eq!(ran.requests, answers as u64 + 1, "and the embedding");
    // aimock counts no token of an embedding, so the gateway does.
    assert_eq!(ran.charged, answers as u64 * SAID.1 + EMBEDDED_TOKENS);
    result
}

/// Runs a client that asks twice for what needs a tool, and `parsed` times for an answer of a given form.
async fn loops_with(interpreter: &Path, script: &str, parsed: u64, node_modules: &Path) {
    let ran = run(interpreter, script, node_modules).await;
    let said = json!(["It rains in Berlin.", "It rains in Berlin."]);
    assert_eq!(ran.printed["said"], said, "{script}");
    assert_eq!(
        ran.printed["asked"],
        json!(["Berlin", "Berlin"]),
        "{script}"
    );
    for answer in ran.printed["parsed"].as_array().into_iter().flatten() {
        assert_eq!(*answer, json!({"name": "Ada", "year": 1843}), "{script}");
    }
    assert_eq!(ran.requests, 4 + parsed, "{script}");
    assert_eq!(ran.charged, 2 * LOOP + parsed * ONCE, "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_client_of_npm_pays_through_the_proxy() {
    let Some(modules) = node_modules() else {
        return;
    };
    let result = sells_to(Path::new("node"), "node/openai.mjs", 4, &modules).await;
    assert_eq!(result["models"], json!([MODEL]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ai_sdk_of_npm_pays_through_the_proxy() {
    let Some(modules) = node_modules() else {
        return;
    };
    sells_to(Path::new("node"), "node/ai.mjs", 2, &modules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_client_of_pypi_pays_through_the_proxy() {
    let (Some(modules), Some(python)) = (node_modules(), python()) else {
        return;
    };
    let result = sells_to(&python, "python/openai_client.py", 4, &modules).await;
    assert_eq!(result["models"], json!([MODEL]));
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_pays_through_the_proxy() {
    let (Some(modules), Some(python)) = (node_modules(), python()) else {
        return;
    };
    sells_to(&python, "python/langchain_client.py", 2, &modules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_of_npm_use_tools_through_the_proxy() {
    let Some(modules) = node_modules() else {
        return;
    };
    for script in [
        "node/ai_responses.mjs",
        "node/openai_agents.mjs",
        "node/anthropic.mjs",
    ] {
        loops_with(Path::new("node"), script, 0, &modules).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_of_pypi_use_tools_through_the_proxy() {
    let (Some(modules), Some(python)) = (node_modules(), python()) else {
        return;
    };
    for (script, parsed) in [
        ("python/openai_tools.py", 2),
        ("python/openai_agents_client.py", 0),
        ("python/langchain_reasoning.py", 0),
        ("python/pydantic_ai_client.py", 1),
    ] {
        loops_with(&python, script, parsed, &modules).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coding_agents_work_through_the_proxy() {
    let (Some(modules), Some(_)) = (node_modules(), agent_modules()) else {
        return;
    };
    // opencode asks for a title too.
    for (script, requests, charged) in [
        ("agents/codex.mjs", 2, LOOP),
        ("agents/pi.mjs", 2, LOOP),
        ("agents/opencode.mjs", 3, LOOP + ONCE),
    ] {
        let ran = run(Path::new("node"), script, &modules).await;
        assert_eq!(
            ran.printed["said"],
            json!(["It said farthing."]),
            "{script}"
        );
        assert_eq!((ran.requests, ran.charged), (requests, charged), "{script}");
    }
}
