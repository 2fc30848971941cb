//! Tests of upgrading another program to Farthing and using it, and of who may change the program afterwards.

use farthing_chain::loader::MINIMUM_EXTEND_PROGRAM_BYTES;
use farthing_chain::{BytecodeHash, PROGRAM_ID};
use serde_json::json;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use crate::deploy::world::{BUFFER_KEY, BUILD, World, another_build, last_chunks};
use crate::terminal::text;

/// A program that exists on every chain, is shorter than ours and uses an older instruction set.
const ASSOCIATED_TOKEN: Pubkey = pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
const LAMPORTS: u64 = 20_000_000_000;
const MISSING: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_program_is_used_and_made_final() {
    let world = World::new().await;
    let other = world
        .chain
        .chain()
        .rpc()
        .get_account_data(&ASSOCIATED_TOKEN)
        .await
        .expect("the chain has it");
    assert!(other.starts_with(b"\x7fELF"));
    world.install(&other, &world.authority).await;
    upgrade(&world, other.len()).await;

    let created = world
        .terminal
        .ok(&["escrow", "create", "-k", "authority.json"])
        .await;
    let status = ["escrow", "status", text(&created, "escrow")];
    let status = world.terminal.ok(&status).await;
    assert_eq!(
        text(&status, "upgrade_authority"),
        world.authority.to_string()
    );

    change_nothing(&world).await;
    hand_over(&world).await;
    make_final(&world).await;
}

/// The authority signs, somebody else pays.
async fn upgrade(world: &World, space: usize) {
    let payer = world.key("payer.json", LAMPORTS).await.pubkey();
    let key = world.key(BUFFER_KEY, 0).await.pubkey();
    let missing = last_chunks(BUILD, &payer, &world.authority, MISSING);
    world
        .fill_buffer(&key, &world.authority, BUILD, &missing)
        .await;
    let owned = world.lamports(&world.authority).await;
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "build.so",
        "-k",
        "authority.json",
        "--fee-payer",
        "payer.json",
    ];
    let report = world.terminal.ok(&deploy).await;
    assert_eq!(text(&report, "action"), "upgraded");
    assert_eq!(text(&report, "program"), PROGRAM_ID.to_string());
    assert_eq!(text(&report, "hash"), BytecodeHash::of(BUILD).to_string());
    assert_eq!(report["chunks_written"], json!(MISSING));
    assert!(space < BUILD.len(), "it was extended");
    assert_eq!(report["space"], json!(BUILD.len()));
    assert_eq!(world.lamports(&world.authority).await, owned);
    // The buffer's lamports, which it got by a cheat code, went to the payer.
    let gained = world.lamports(&payer).await - LAMPORTS;
    assert_eq!(report["spent"].as_i64(), Some(-gained.cast_signed()));
    assert!(!world.terminal.path(BUFFER_KEY).exists());
}

async fn change_nothing(world: &World) {
    let deploy = ["program", "deploy", "--bytecode", "build.so", "-k"];
    let same = [&deploy[..], &["authority.json"]].concat();
    let report = world.terminal.ok(&same).await;
    assert_eq!(text(&report, "action"), "unchanged");
    assert_eq!(
        (&report["chunks_written"], &report["spent"]),
        (&json!(0), &json!(0))
    );
    // If there is nothing to change, a signer without authority is not refused.
    let stranger = [&deploy[..], &["payer.json"]].concat();
    assert_eq!(
        text(&world.terminal.ok(&stranger).await, "action"),
        "unchanged"
    );

    let more = (BUILD.len() + 1).to_string();
    let longer = [&same[..], &["--max-length", &more]].concat();
    let report = world.terminal.ok(&longer).await;
    assert_eq!(text(&report, "action"), "extended");
    let space = BUILD.len() + MINIMUM_EXTEND_PROGRAM_BYTES as usize;
    assert_eq!(report["space"], json!(space));
    assert_eq!(text(&report, "hash"), BytecodeHash::of(BUILD).to_string());
}

async fn hand_over(world: &World) {
    let new = world.key("new.json", LAMPORTS).await.pubkey();
    let set = |new: &str, key: &'static str| {
        ["program", "set-authority", new, "-k", key].map(str::to_owned)
    };
    let run = async |arguments: [String; 5]| {
        let borrowed: Vec<_> = arguments.iter().map(String::as_str).collect();
        world.terminal.fails(1, &borrowed).await.1
    };
    let message = run(set(&new.to_string(), "payer.json")).await;
    let expected = format!("only {} may change program {PROGRAM_ID}", world.authority);
    assert!(message.contains(&expected), "{message}");
    // An account owned by a program cannot sign.
    let message = run(set(&PROGRAM_ID.to_string(), "authority.json")).await;
    assert!(message.contains("name the multisig's vault"), "{message}");

    let new = new.to_string();
    let set = ["program", "set-authority", &new, "-k", "authority.json"];
    let report = world.terminal.ok(&set).await;
    assert_eq!(text(&report, "upgrade_authority"), new);
    let (_, message) = world.terminal.fails(1, &set).await;
    assert!(
        message.contains(&format!("only {new} may change")),
        "{message}"
    );
}

async fn make_final(world: &World) {
    let set = ["program", "set-authority", "-k", "new.json", "--final"];
    let (code, message) = world.terminal.fails(2, &set).await;
    assert_eq!(code, "usage");
    assert!(message.contains("--confirm"), "{message}");
    let other = world.authority.to_string();
    let wrong = [&set[..], &["--confirm", &other]].concat();
    let (_, message) = world.terminal.fails(2, &wrong).await;
    assert!(
        message.contains(&format!("--confirm {PROGRAM_ID}")),
        "{message}"
    );
    let confirmed = PROGRAM_ID.to_string();
    let confirmed = [&set[..], &["--confirm", &confirmed]].concat();
    let report = world.terminal.ok(&confirmed).await;
    assert_eq!(report["upgrade_authority"], json!(null));

    let verify = ["program", "verify", "--bytecode", "build.so"];
    let report = world.terminal.ok(&verify).await;
    assert_eq!(
        (&report["upgrade_authority"], &report["equal"]),
        (&json!(null), &json!(true))
    );
    world.build("other.so", &another_build());
    let deploy = ["program", "deploy", "--bytecode", "other.so", "-k"];
    let (_, message) = world
        .terminal
        .fails(1, &[&deploy[..], &["new.json"]].concat())
        .await;
    assert!(
        message.contains("is final, so that nobody can ever change it"),
        "{message}"
    );
    let buffer = ["program", "buffer", "--bytecode", "other.so", "-k"];
    let (_, message) = world
        .terminal
        .fails(1, &[&buffer[..], &["new.json"]].concat())
        .await;
    assert!(message.contains("is final"), "{message}");
    assert!(!world.terminal.path(BUFFER_KEY).exists());
}
