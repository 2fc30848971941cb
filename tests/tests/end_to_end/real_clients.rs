//! Tests of unmodified third-party clients that buy through the paying proxy from a third-party upstream.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use farthing_cli::dev::Options;
use farthing_cli::signing_proxy::SigningProxy;
use farthing_tests::end_to_end::aimock::Aimock;
use farthing_tests::end_to_end::peers::{node_modules, python};
use farthing_tests::end_to_end::world::FundedWorld;
use serde_json::{Value, json};
use tokio::process::Command;

/// Tokens of the text that the clients embed, at one base unit each.
const EMBEDDED_TOKENS: u64 = 5;

/// Any name: aimock answers for all.
const MODEL: &str = "gpt-4o-mini";
/// What its fixture says, and what that costs: 11 tokens at 2.50 and 7 at 10 USDC per million.
const SAID: (&str, u64) = ("Eleven in, seven out.", 98);

/// Runs a client against the whole way to the upstream and compares what it got.
async fn sells_to(interpreter: &Path, script: &str, answers: usize, node_modules: &Path) -> Value {
    let aimock = Aimock::start(node_modules);
    let options = Options {
        upstream: Some(aimock.url().to_owned()),
        model: Some(MODEL.to_owned()),
        ..Options::default()
    };
    let setting = FundedWorld::start(&options, |_| ()).await;
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
    let result: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");

    assert_eq!(result["said"], json!(vec![SAID.0; answers]), "{script}");
    let refused = json!({"status": 404, "code": "model_not_priced"});
    assert_eq!(result["refused"], refused, "{script}");
    assert!(result["dimensions"].as_u64() > Some(0), "{script}");

    let spent = proxy.shutdown().await;
    assert_eq!(spent.requests, answers as u64 + 1, "and the embedding");
    // aimock counts no token of an embedding, so the gateway does.
    let charged = answers as u64 * SAID.1 + EMBEDDED_TOKENS;
    assert_eq!(spent.charged.0, charged, "by receipts");
    assert_eq!(setting.charged(), spent.charged.0, "and by the books");
    setting.close_and_reconcile().await;
    result
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
