//! Tests the program's IDL with Anchor's own client.

use std::path::{Path, PathBuf};

use farthing_chain::associated_token_address;
use farthing_chain::keys::generate_keypair;
use farthing_cli::localnet::{DEFAULT_SLOT_TIME, Localnet, USDC};
use farthing_protocol::BaseUnits;
use farthing_tests::end_to_end::peers::anchor_modules;
use serde_json::Value;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;
use tokio::process::Command;

const LAMPORTS: u64 = 10_000_000_000;
const OWNED: BaseUnits = BaseUnits(6_000_000);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_anchor_client_pays_by_the_interface_description() {
    let Some(node_modules) = anchor_modules() else {
        return;
    };
    let chain = Localnet::start(DEFAULT_SLOT_TIME)
        .await
        .expect("a local chain");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (owner, settler) = (
        folder.path().join("owner.json"),
        folder.path().join("settler.json"),
    );
    for file in [&owner, &settler] {
        let key = generate_keypair(file).expect("a new key file").pubkey();
        chain.fund_sol(&key, LAMPORTS).await.expect("an airdrop");
        chain
            .mint_usdc(&key, OWNED)
            .await
            .expect("the mint is ours");
    }
    let payee = Pubkey::new_unique();
    chain
        .mint_usdc(&payee, BaseUnits(1))
        .await
        .expect("a token account");

    let output = Command::new("node")
        .arg(node_modules.join("ts-node/dist/bin.js"))
        .arg("tests/typescript/anchor_client.ts")
        .arg(chain.rpc_url())
        .arg("programs/farthing/artifact/farthing.json")
        .args([&owner, &settler])
        .args([payee.to_string(), USDC.mint.to_string()])
        .current_dir(workspace())
        .output()
        .await
        .expect("node starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one object");

    let paid = told["paid"].as_u64().expect("a number");
    assert_eq!(paid, 120_000);
    let balance = chain
        .chain()
        .token_balance(
            &associated_token_address(&payee, &USDC),
            CommitmentConfig::confirmed(),
        )
        .await
        .expect("the chain is up");
    assert_eq!(balance, Some(BaseUnits(1 + paid)));
    let channel: Pubkey = told["channel"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an address");
    let channel = chain
        .chain()
        .channel(&channel, CommitmentConfig::confirmed())
        .await
        .expect("the chain is up")
        .expect("it is open");
    assert_eq!(channel.lanes[0].debited, BaseUnits(paid));
    chain.shutdown().await.expect("everything stops");
}
