//! Tests of what `farthing program` refuses before anything is paid for.

use farthing_chain::loader::{UPGRADEABLE_LOADER, program_data_address};
use farthing_chain::{BytecodeHash, PROGRAM_ID};
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;
use solana_system_interface::instruction::transfer;

use crate::deploy::world::{BUFFER_KEY, BUILD, World, another_build};

/// Offset of the instruction set's version in an ELF header.
const FLAGS_OFFSET: usize = 48;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deployed_is_refused_before_it_is_paid_for() {
    let world = World::new().await;
    let owned = world.lamports(&world.authority).await;
    bytecode(&world).await;
    addresses(&world).await;
    lamports_in_the_way(&world).await;
    authorities(&world).await;
    lamports(&world).await;
    closed(&world).await;
    assert!(!world.terminal.path(BUFFER_KEY).exists());
    assert_eq!(world.lamports(&world.authority).await, owned);
}

async fn bytecode(world: &World) {
    let mut old = BUILD.to_vec();
    old[FLAGS_OFFSET] = 0;
    world.build("old.so", &old);
    world.build("text.so", b"\x7fELF, but only at the beginning");
    for (file, expected) in [
        (
            "missing.so",
            "there is no bytecode at missing.so: build it with `anchor build`",
        ),
        ("text.so", "text.so is not an ELF file"),
        (
            "old.so",
            "old.so is sBPF version 0, and the network accepts deployments of version 3 only",
        ),
    ] {
        for command in [
            &[
                "program",
                "deploy",
                "-k",
                "authority.json",
                "--bytecode",
                file,
            ][..],
            &[
                "program",
                "buffer",
                "-k",
                "authority.json",
                "--bytecode",
                file,
            ],
            &["program", "verify", "--bytecode", file],
        ] {
            let (code, message) = world.terminal.fails(2, command).await;
            assert_eq!(code, "usage");
            assert!(message.contains(expected), "{message}");
        }
    }
    let deploy = ["program", "deploy", "-k", "authority.json"];
    let (_, message) = world.terminal.fails(2, &deploy).await;
    assert!(message.contains("target/deploy/farthing.so"), "{message}");
    let deploy = [
        &deploy[..],
        &["--bytecode", "build.so", "--max-length", "5"],
    ]
    .concat();
    let (_, message) = world.terminal.fails(2, &deploy).await;
    assert!(
        message.contains("--max-length 5 is not between"),
        "{message}"
    );
}

async fn addresses(world: &World) {
    let program = world.key("program.json", 0).await.pubkey();
    let address = program.to_string();
    let deploy = ["program", "deploy", "-k", "authority.json", "--bytecode"];
    let elsewhere = [&deploy[..], &["build.so", "--program", &address]].concat();
    let (_, message) = world.terminal.fails(1, &elsewhere).await;
    let expected = format!("the bytecode was not compiled for {program}");
    assert!(message.contains(&expected), "{message}");

    world.build("own.so", &[BUILD, program.as_ref()].concat());
    let own = [&deploy[..], &["own.so", "--program", &address]].concat();
    let (_, message) = world.terminal.fails(1, &own).await;
    let expected = format!(
        "there is no program at {program} on local chain: give the key file of that address with --program-keypair \
        for its first deployment"
    );
    assert!(message.contains(&expected), "{message}");
    let verify = ["program", "verify", "--bytecode", "own.so", "--program"];
    let (_, message) = world
        .terminal
        .fails(1, &[&verify[..], &[&address]].concat())
        .await;
    assert!(message.contains("there is no program at"), "{message}");

    let wrong_key = [&own[..], &["--program-keypair", "authority.json"]].concat();
    let (code, message) = world.terminal.fails(2, &wrong_key).await;
    assert_eq!(code, "usage");
    let expected = format!("is that of {}, not of program {program}", world.authority);
    assert!(message.contains(&expected), "{message}");
}

async fn lamports_in_the_way(world: &World) {
    let key = world.key("griefed.json", 0).await;
    let program = key.pubkey();
    let address = program.to_string();
    world.build("griefed.so", &[BUILD, program.as_ref()].concat());
    let deploy = [
        "program",
        "deploy",
        "-k",
        "authority.json",
        "--bytecode",
        "griefed.so",
        "--program-keypair",
        "griefed.json",
        "--program",
        &address,
    ];
    // Anybody can send lamports to an address that is known before its deployment.
    world.fund(&program, 1_000_000).await;
    let (_, message) = world.terminal.fails(1, &deploy).await;
    assert!(message.contains("send them away with its key"), "{message}");
    let away = transfer(&program, &Pubkey::new_unique(), 1_000_000 - 5_000);
    let chain = world.chain.chain();
    chain
        .send_and_finalize(&[away], &key, &[])
        .await
        .expect("the key signs as a wallet's");
    // There is no key for this address, so the lamports cannot be sent away.
    world.fund(&program_data_address(&program), 1_000_000).await;
    let (_, message) = world.terminal.fails(1, &deploy).await;
    assert!(
        message.contains("choose another program address"),
        "{message}"
    );
}

async fn authorities(world: &World) {
    world.build("other.so", &another_build());
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "other.so",
        "-k",
        "authority.json",
    ];
    let stranger = world.key("stranger.json", 0).await.pubkey();
    world.install(BUILD, &stranger).await;
    let (_, message) = world.terminal.fails(1, &deploy).await;
    let expected = format!(
        "only {stranger} may change program {PROGRAM_ID}, but {} signs: give the key file of {stranger} with \
        --keypair, or write a buffer for it with `farthing program buffer`",
        world.authority
    );
    assert!(message.contains(&expected), "{message}");

    let other = BytecodeHash::of(&another_build());
    let verify = ["program", "verify", "--bytecode", "other.so"];
    let (code, message) = world.terminal.fails(1, &verify).await;
    assert_eq!(code, "failed");
    let expected = format!(
        "the chain has {}, the build is {other}",
        BytecodeHash::of(BUILD)
    );
    assert!(message.contains(&expected), "{message}");
    let verify = ["program", "verify", "--hash", "abc"];
    let (_, message) = world.terminal.fails(2, &verify).await;
    assert!(
        message.contains("a bytecode hash is 64 hexadecimal digits"),
        "{message}"
    );
}

async fn lamports(world: &World) {
    let poor = world.key("poor.json", 5_000_000_000).await.pubkey();
    world.install(BUILD, &poor).await;
    let deploy = [
        "program",
        "deploy",
        "--bytecode",
        "other.so",
        "-k",
        "poor.json",
    ];
    let (_, message) = world.terminal.fails(1, &deploy).await;
    // Rent is 6,960 lamports for each byte of the buffer plus 128 bytes that are charged for every account.
    let rent = 6_960 * (128 + 37 + BUILD.len());
    let expected = format!("{poor} has 5 SOL, ");
    assert!(message.starts_with(&expected), "{message}");
    let expected = format!("{}.{:09}", rent / 1_000_000_000, rent % 1_000_000_000);
    let expected = format!("{} SOL of rent", expected.trim_end_matches('0'));
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("nothing was written"), "{message}");
    assert_eq!(world.lamports(&poor).await, 5_000_000_000);
}

/// Closes the program as its authority, which gets its lamports back.
async fn closed(world: &World) {
    let authority = world.key("closer.json", 1_000_000_000).await;
    world.install(BUILD, &authority.pubkey()).await;
    let close = Instruction {
        program_id: UPGRADEABLE_LOADER,
        accounts: vec![
            AccountMeta::new(program_data_address(&PROGRAM_ID), false),
            AccountMeta::new(authority.pubkey(), false),
            AccountMeta::new_readonly(authority.pubkey(), true),
            AccountMeta::new(PROGRAM_ID, false),
        ],
        data: vec![5, 0, 0, 0],
    };
    let chain = world.chain.chain();
    chain
        .send_and_finalize(&[close], &authority, &[])
        .await
        .expect("the authority may");
    for command in [
        &[
            "program",
            "deploy",
            "-k",
            "closer.json",
            "--bytecode",
            "build.so",
        ][..],
        &[
            "program",
            "buffer",
            "-k",
            "closer.json",
            "--bytecode",
            "build.so",
        ],
        &["program", "verify", "--bytecode", "build.so"],
    ] {
        let (_, message) = world.terminal.fails(1, command).await;
        let expected =
            format!("program {PROGRAM_ID} was closed, and its address can never be used again");
        assert!(message.contains(&expected), "{message}");
    }
}
