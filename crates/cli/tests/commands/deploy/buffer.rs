//! Tests of a buffer for a multisig, which anybody writes, the members verify, and the multisig's vault deploys.

use farthing_chain::loader::upgrade;
use farthing_chain::{BytecodeHash, PROGRAM_ID};
use serde_json::json;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use crate::deploy::world::{BUFFER_KEY, BUILD, World, another_build, last_chunks};
use crate::terminal::text;

const LAMPORTS: u64 = 20_000_000_000;
const MISSING: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_multisig_upgrades_from_a_buffer_that_its_members_compared() {
    let world = World::new().await;
    // A real multisig's vault has no key, and its program signs for it; here a key stands in for the vault.
    let vault = world.key("vault.json", LAMPORTS).await;
    world.install(BUILD, &vault.pubkey()).await;
    let build = another_build();
    world.build("other.so", &build);
    let buffer = world.key(BUFFER_KEY, 0).await.pubkey();
    let missing = last_chunks(&build, &world.authority, &world.authority, MISSING);
    world
        .fill_buffer(&buffer, &world.authority, &build, &missing)
        .await;

    let hand_over = [
        "program",
        "buffer",
        "--bytecode",
        "other.so",
        "-k",
        "authority.json",
    ];
    let stranger = Pubkey::new_unique().to_string();
    let (_, message) = world
        .terminal
        .fails(1, &[&hand_over[..], &["--authority", &stranger]].concat())
        .await;
    let expected = format!("only {} may change program {PROGRAM_ID}", vault.pubkey());
    assert!(message.contains(&expected), "{message}");
    let report = world.terminal.ok(&hand_over).await;
    let hash = BytecodeHash::of(&build);
    assert_eq!(text(&report, "buffer"), buffer.to_string());
    assert_eq!(text(&report, "authority"), vault.pubkey().to_string());
    assert_eq!(text(&report, "hash"), hash.to_string());
    assert_eq!(report["chunks_written"], json!(MISSING));
    assert!(!world.terminal.path(BUFFER_KEY).exists());
    let found = world.buffer(&buffer).await.expect("it waits");
    assert_eq!(
        (found.authority, found.hash()),
        (Some(vault.pubkey()), hash)
    );

    compare(&world, &buffer, hash).await;
    let instruction = upgrade(&PROGRAM_ID, &buffer, &vault.pubkey(), &vault.pubkey());
    world
        .chain
        .chain()
        .send_and_finalize(&[instruction], &vault, &[])
        .await
        .expect("the vault may upgrade");
    let verify = ["program", "verify", "--bytecode", "other.so"];
    assert_eq!(world.terminal.ok(&verify).await["equal"], json!(true));
    world
        .terminal
        .ok(&["escrow", "create", "-k", "authority.json"])
        .await;
}

async fn compare(world: &World, buffer: &Pubkey, hash: BytecodeHash) {
    let (buffer, hash) = (buffer.to_string(), hash.to_string());
    let verify = ["program", "verify", "--buffer", &buffer];
    let equal = [&verify[..], &["--hash", &hash]].concat();
    let report = world.terminal.ok(&equal).await;
    assert_eq!(report["equal"], json!(true));
    let different = [&verify[..], &["--bytecode", "build.so"]].concat();
    let (_, message) = world.terminal.fails(1, &different).await;
    let expected = format!(
        "the chain has {hash}, the build is {}",
        BytecodeHash::of(BUILD)
    );
    assert!(message.contains(&expected), "{message}");
    let close = ["program", "close-buffer", &buffer, "-k", "authority.json"];
    let (_, message) = world.terminal.fails(1, &close).await;
    assert!(message.contains("belongs to"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buffer_that_does_not_fit_is_refused_and_closed() {
    let world = World::new().await;
    world.install(BUILD, &world.authority).await;
    world.build("other.so", &another_build());
    let key = world.key(BUFFER_KEY, 0).await.pubkey();
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "other.so",
        "-k",
        "authority.json",
    ];
    let stranger = world.key("stranger.json", LAMPORTS).await.pubkey();
    world.fill_buffer(&key, &stranger, BUILD, &[]).await;
    let (_, message) = world.terminal.fails(1, &deploy).await;
    let expected = format!(
        "buffer {key} of {BUFFER_KEY} belongs to {stranger}, but {} signs",
        world.authority
    );
    assert!(message.contains(&expected), "{message}");

    let short = &BUILD[..10_000];
    world.fill_buffer(&key, &world.authority, short, &[]).await;
    let (_, message) = world.terminal.fails(1, &deploy).await;
    let expected = format!(
        "was made for 10000 bytes, the bytecode has {}: get its lamports back with `farthing program close-buffer {key}`",
        BUILD.len()
    );
    assert!(message.contains(&expected), "{message}");

    let locked = world.lamports(&key).await;
    let key = key.to_string();
    let close = [
        "program",
        "close-buffer",
        &key,
        "-k",
        "authority.json",
        "--fee-payer",
        "stranger.json",
    ];
    let report = world.terminal.ok(&close).await;
    assert_eq!(report["returned"], json!(locked));
    assert_eq!(text(&report, "to"), stranger.to_string());
    assert!(world.lamports(&stranger).await > LAMPORTS);
    let (_, message) = world.terminal.fails(1, &close).await;
    assert!(message.contains("there is no buffer at"), "{message}");
    let verify = [
        "program",
        "verify",
        "--buffer",
        &key,
        "--bytecode",
        "build.so",
    ];
    let (_, message) = world.terminal.fails(1, &verify).await;
    assert!(message.contains("it was deployed or closed"), "{message}");
}
