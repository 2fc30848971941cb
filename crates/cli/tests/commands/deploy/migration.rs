//! Tests of `migrations/deploy.ts` as `anchor migrate` runs it.

use std::path::PathBuf;
use std::process::Output;

use axum::routing::post;
use axum::{Json, Router};
use farthing_chain::{BytecodeHash, PROGRAM_ID};
use farthing_tests::end_to_end::peers::anchor_modules;
use serde_json::{Value, json};
use solana_sdk::signer::Signer;
use tokio::net::TcpListener;

use crate::deploy::world::{BUFFER_KEY, BUILD, World, another_build, last_chunks};

const MAINNET_GENESIS_HASH: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
const MISSING: usize = 4;

/// `anchor migrate` without Anchor's command line: the host script that it writes, run as it runs it.
struct Migration<'a> {
    world: &'a World,
    node_modules: PathBuf,
    rpc_url: String,
}

impl Migration<'_> {
    async fn run(&self, wallet: &str, variables: &[(&str, &str)]) -> Output {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let root = root.canonicalize().expect("the repository");
        // The modules are found from here, where Anchor writes it too.
        let folder = root.join(".anchor");
        std::fs::create_dir_all(&folder).expect("a writable repository");
        let host = format!(
            "import * as anchor from '@anchor-lang/core';\n\n\
             // Deploy script defined by the user.\n\
             const userScript = require(\"{}\");\n\n\
             async function main() {{\n    \
                 const connection = new anchor.web3.Connection(\n      \
                     \"{}\",\n      anchor.AnchorProvider.defaultOptions().commitment\n    );\n    \
                 const wallet = anchor.Wallet.local();\n    \
                 const provider = new anchor.AnchorProvider(connection, wallet);\n\n    \
                 // Run the user's deploy script.\n    \
                 userScript(provider);\n}}\nmain();\n",
            root.join("migrations/deploy.ts").display(),
            self.rpc_url,
        );
        std::fs::write(folder.join("deploy.ts"), host).expect("a writable repository");
        let mut command = tokio::process::Command::new("node");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FARTHING_") {
                command.env_remove(name);
            }
        }
        command
            .arg(self.node_modules.join("ts-node/dist/bin.js"))
            .arg("deploy.ts")
            .current_dir(&folder)
            .env("ANCHOR_WALLET", self.world.terminal.path(wallet))
            .env("FARTHING_BIN", env!("CARGO_BIN_EXE_farthing"))
            .env("FARTHING_BYTECODE", self.world.terminal.path("other.so"))
            .env(
                "FARTHING_BUFFER_KEYPAIR",
                self.world.terminal.path(BUFFER_KEY),
            )
            .envs(variables.iter().copied());
        command.output().await.expect("node starts")
    }

    async fn fails(&self, wallet: &str, variables: &[(&str, &str)]) -> String {
        // Types are checked in the runs that succeed; it takes ts-node five seconds.
        let untyped = [("TS_NODE_TRANSPILE_ONLY", "true")];
        let output = self.run(wallet, &[&untyped, variables].concat()).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        stderr
    }

    async fn ok(&self, wallet: &str) -> String {
        let output = self.run(wallet, &[]).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anchor_migrate_upgrades_and_compares() {
    let Some(node_modules) = anchor_modules() else {
        return;
    };
    let world = World::new().await;
    let build = another_build();
    world.build("other.so", &build);
    world.install(BUILD, &world.authority).await;
    let mut migration = Migration {
        rpc_url: world.chain.rpc_url().to_owned(),
        world: &world,
        node_modules,
    };
    refuses(&world, &mut migration).await;

    let buffer = world.key(BUFFER_KEY, 0).await.pubkey();
    let missing = last_chunks(&build, &world.authority, &world.authority, MISSING);
    world
        .fill_buffer(&buffer, &world.authority, &build, &missing)
        .await;
    let hash = BytecodeHash::of(&build);
    for expected in ["upgraded", "nothing to do"] {
        let stdout = migration.ok("authority.json").await;
        assert!(stdout.contains(expected), "{stdout}");
        for line in [
            "cluster            localnet".to_owned(),
            format!("program            {PROGRAM_ID}"),
            format!("upgrade authority  {}", world.authority),
            format!("hash on the chain  {hash}"),
            format!("hash of the build  {hash}"),
        ] {
            assert!(stdout.lines().any(|found| found == line), "{stdout}");
        }
    }
}

async fn refuses(world: &World, migration: &mut Migration<'_>) {
    let missing = [("FARTHING_BYTECODE", "nowhere.so")];
    let stderr = migration.fails("authority.json", &missing).await;
    assert!(stderr.contains("run `anchor build`"), "{stderr}");

    world.key("stranger.json", 0).await;
    let stderr = migration.fails("stranger.json", &[]).await;
    let expected = format!("only {} may change program {PROGRAM_ID}", world.authority);
    assert!(stderr.contains(&expected), "{stderr}");
    assert!(
        stderr.contains("`farthing program deploy` failed"),
        "{stderr}"
    );

    // The script checks the chain itself and does not rely on what the command reports.
    let stderr = migration
        .fails("authority.json", &[("FARTHING_BIN", "true")])
        .await;
    assert!(
        stderr.contains("the cluster has other bytecode than the build"),
        "{stderr}"
    );

    let local = std::mem::replace(&mut migration.rpc_url, mainnet_by_its_hash().await);
    let stderr = migration.fails("authority.json", &[]).await;
    assert!(
        stderr.contains("set FARTHING_DEPLOY_TO=mainnet-beta if you mean it"),
        "{stderr}"
    );
    migration.rpc_url = local;
}

/// Starts a node that answers requests for its genesis hash only.
async fn mainnet_by_its_hash() -> String {
    let answer = async |Json(request): Json<Value>| {
        assert_eq!(request["method"], "getGenesisHash");
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": MAINNET_GENESIS_HASH}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let router = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
