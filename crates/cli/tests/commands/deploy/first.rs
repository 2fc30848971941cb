//! Tests of a first deployment that is interrupted and continued.

use std::process::Stdio;
use std::time::Duration;

use farthing_chain::BytecodeHash;
use farthing_chain::keys::read_keypair;
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use crate::deploy::world::{BUFFER_KEY, BUILD, World, compiled_for, last_chunks};
use crate::terminal::{Terminal, error_of, text};

/// Chunks that the interrupted run has not written.
const MISSING: usize = 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_deployment_is_continued() {
    let world = World::new().await;
    let program = world.key("program.json", 0).await.pubkey();
    // This build only contains the address and was not compiled for it. The command cannot tell the difference before
    // the program runs.
    let build = [BUILD, program.as_ref()].concat();
    world.build("wrong.so", &build);
    let address = program.to_string();
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "wrong.so",
        "-k",
        "authority.json",
        "--program-keypair",
        "program.json",
        "--program",
        &address,
    ];
    let buffer = interrupted(&world, &deploy).await;

    let missing = last_chunks(&build, &world.authority, &world.authority, MISSING);
    world
        .fill_buffer(&buffer, &world.authority, &build, &missing)
        .await;
    let (report, message) = refusing(&world.terminal, &deploy).await;
    assert!(
        message.contains("(DeclaredProgramIdMismatch, code 4100): run `anchor keys sync`"),
        "{message}"
    );
    let hash = BytecodeHash::of(&build).to_string();
    assert_eq!(text(&report, "action"), "deployed");
    assert_eq!(text(&report, "program"), address);
    assert_eq!(text(&report, "hash"), hash);
    assert_eq!(
        text(&report, "upgrade_authority"),
        world.authority.to_string()
    );
    assert_eq!(report["chunks_written"], json!(MISSING));
    assert_eq!(report["length"], report["space"]);
    assert!(!world.terminal.path(BUFFER_KEY).exists());
    assert!(
        world.buffer(&buffer).await.is_none(),
        "its lamports returned"
    );

    let verify = ["program", "verify", "--program", &address, "--bytecode"];
    let verified = world
        .terminal
        .ok(&[&verify[..], &["wrong.so"]].concat())
        .await;
    assert_eq!(verified["equal"], json!(true));
    assert_eq!(verified["slot"], report["slot"]);
    let (again, message) = refusing(&world.terminal, &deploy).await;
    assert_eq!(text(&again, "action"), "unchanged");
    assert_eq!(
        (&again["slot"], &again["spent"]),
        (&report["slot"], &json!(0))
    );
    assert!(message.contains("code 4100"), "{message}");
    correct(&world, &program).await;
}

/// Does what the error message says, and then uses the program.
async fn correct(world: &World, program: &Pubkey) {
    let build = compiled_for(program);
    world.build("right.so", &build);
    let buffer = world.key(BUFFER_KEY, 0).await.pubkey();
    let missing = last_chunks(&build, &world.authority, &world.authority, MISSING);
    world
        .fill_buffer(&buffer, &world.authority, &build, &missing)
        .await;
    let address = program.to_string();
    let ours = ["-k", "authority.json", "--program", &address];
    let deploy = ["program", "deploy", "--bytecode", "right.so"];
    let report = world.terminal.ok(&[&deploy[..], &ours].concat()).await;
    assert_eq!(text(&report, "action"), "upgraded");
    assert_eq!(text(&report, "hash"), BytecodeHash::of(&build).to_string());
    assert_eq!(report["length"], json!(build.len()));
    assert_eq!(report["space"], json!(build.len() + program.as_ref().len()));
    let create = ["escrow", "create"];
    let created = world.terminal.ok(&[&create[..], &ours].concat()).await;
    let status = [
        "escrow",
        "status",
        text(&created, "escrow"),
        "--program",
        &address,
    ];
    let status = world.terminal.ok(&status).await;
    assert_eq!(text(&status, "program"), address);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes: eight hundred writes to a long account; run it after changing how chunks are sent"]
async fn a_deployment_by_transactions_alone() {
    let world = World::new().await;
    let program = world.key("program.json", 0).await.pubkey();
    world.build("right.so", &compiled_for(&program));
    let address = program.to_string();
    let ours = ["-k", "authority.json", "--program", &address];
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "right.so",
        "--program-keypair",
        "program.json",
    ];
    let report = world.terminal.ok(&[&deploy[..], &ours].concat()).await;
    assert_eq!(text(&report, "action"), "deployed");
    assert_eq!(report["chunks_written"], report["chunks"]);
    let create = ["escrow", "create"];
    world.terminal.ok(&[&create[..], &ours].concat()).await;
}

/// Starts a deployment and kills it when something is written; returns the buffer's address.
async fn interrupted(world: &World, deploy: &[&str]) -> Pubkey {
    let mut child = world
        .terminal
        .command(deploy)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let written = tokio::time::timeout(PATIENCE, async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let Ok(key) = read_keypair(&world.terminal.path(BUFFER_KEY)) else {
                continue;
            };
            if let Some(buffer) = world.buffer(&key.pubkey()).await
                && buffer.bytecode.iter().any(|byte| *byte != 0)
            {
                assert_eq!(buffer.authority, Some(world.authority));
                return key.pubkey();
            }
        }
    });
    let buffer = written.await.expect("chunks are written in time");
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    buffer
}

/// Deploys a program that then refuses every call, and returns the report and the error.
async fn refusing(terminal: &Terminal, deploy: &[&str]) -> (Value, String) {
    let output = terminal.run(&[&["--json"], deploy].concat()).await;
    let (code, message) = error_of(&output, 1, deploy);
    assert_eq!(code, "failed", "{message}");
    let report = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    (report, message)
}
