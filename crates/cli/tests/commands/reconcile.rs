//! Tests that a restored backup does not serve until it was compared with the chain.

use std::fs;

use ed25519_dalek::SigningKey;
use farthing_chain::Channel;
use farthing_cli::dev::Options;
use farthing_cli::dev::gateway::{self, Sale};
use farthing_client::paying_client::ask_terms;
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_tests::end_to_end::world::{FundedWorld, ask, cost};
use farthing_tests::gateway::agent::Agent;
use farthing_verifier::{Config, Keys, StartError, Verifier};
use farthing_wire::x402::PAYMENT_SIGNATURE;
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;

use crate::terminal::Terminal;

/// The inputs of a restart.
struct Restart {
    config: Config,
    settler: Keypair,
}

impl Restart {
    fn of(world: &FundedWorld, store: &std::path::Path) -> Self {
        let world = &world.world;
        let rpc_url = world.localnet.rpc_url();
        let mut config = gateway::config(&world.sale, &world.economy, rpc_url, &world.folder);
        config.store.path = store.to_owned();
        Self {
            config,
            settler: world.economy.settler().insecure_clone(),
        }
    }

    async fn start(&self) -> Result<Verifier, StartError> {
        let settler = self.settler.insecure_clone();
        farthing_verifier::start(self.config.clone(), Keys { settler }).await
    }
}

async fn pays(
    sale: &Sale,
    verifier: &Verifier,
    (address, channel, key): (Pubkey, &Channel, &Keypair),
    authorized: u64,
) -> (u16, Value) {
    let body = json!({
        "model": sale.model,
        "messages": [{"role": "user", "content": "And now?"}],
        "max_tokens": 16,
    });
    let terms = ask_terms(&verifier.url(), &body).await.expect("it answers");
    let agent = Agent {
        key: SigningKey::from_bytes(key.secret_bytes()),
        channel: address,
        domain: channel.header.domain,
        lane: 0,
        generation: 0,
    };
    let terms = terms.expect("the model is not free");
    let response = reqwest::Client::new()
        .post(format!("{}/v1/chat/completions", verifier.url()))
        .header(PAYMENT_SIGNATURE, agent.pay(&terms.accepts[0], authorized))
        .json(&body)
        .send()
        .await
        .expect("the gateway answers");
    let status = response.status().as_u16();
    let body = response.json().await.expect("JSON");
    (status, body)
}

#[tokio::test]
async fn a_restored_backup_is_compared_with_the_chain_before_it_serves() {
    let mut funded = FundedWorld::start(&Options::default(), |_| {}).await;
    let client = funded.client(0).await;
    let before = cost(&ask(&client, funded.chat("One", false)).await);
    funded
        .world
        .verifier
        .settle_now()
        .await
        .expect("the chain is up");

    // The backup is taken while no verifier runs.
    let path = funded.world.folder.join("ledger.redb");
    let backup = funded.world.folder.join("backup.redb");
    let restart = Restart::of(&funded, &path);
    restart_on_copy(&mut funded, &path, &backup, &restart).await;
    let client = funded.client(0).await;
    let after = cost(&ask(&client, funded.chat("Two", true)).await);
    funded
        .world
        .verifier
        .settle_now()
        .await
        .expect("the chain is up");
    let address = funded.funded.address;
    let channel = funded
        .world
        .economy
        .channel(&address)
        .await
        .expect("it is open");
    assert_eq!(channel.lanes[0].debited, BaseUnits(before + after));

    // The backup is restored as a copy of the file.
    let restored = funded.world.folder.join("restored.redb");
    fs::copy(&backup, &restored).expect("it can be copied");
    let restart = Restart::of(&funded, &restored);
    match restart.start().await {
        Err(StartError::StoreBehindChain {
            lanes: 1,
            channel,
            first,
        }) => {
            assert_eq!((channel, first), (address, LaneIndex(0)));
        }
        other => panic!("an old copy must not serve: {other:?}"),
    }

    let terminal = Terminal::new(funded.world.localnet.rpc_url());
    let store = restored.to_str().expect("text");
    let unchanged = fs::read(&restored).expect("readable");
    let dry = terminal
        .ok(&["reconcile", "--store", store, "--dry-run"])
        .await;
    assert!(fs::read(&restored).expect("readable") == unchanged);
    let report = terminal.ok(&["reconcile", "--store", store]).await;
    assert_eq!(report["lanes_behind"], dry["lanes_behind"]);
    let lane = &report["lanes_behind"][0];
    assert_eq!(lane["channel"], json!(address.to_string()));
    assert_eq!(lane["charged"], json!(before));
    assert_eq!(lane["debited"], json!(before + after));
    assert_eq!(report["lanes_that_agree"], json!(1));
    let used_through = lane["used_through"]
        .as_u64()
        .expect("the chain explains it");
    assert!(used_through >= before + after);
    let again = terminal.ok(&["reconcile", "--store", store]).await;
    assert_eq!(again["lanes_behind"], json!([]));
    terminal.ok(&["store", "check", "--store", store]).await;

    let verifier = restart.start().await.expect("it agrees with the chain");
    let lane = (address, &channel, &funded.funded.keys[0]);
    let (status, body) = pays(&funded.world.sale, &verifier, lane, used_through).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (402, &json!("voucher_used"))
    );
    let (status, _) = pays(&funded.world.sale, &verifier, lane, used_through + 50_000).await;
    assert_eq!(status, 200);
    let charged = verifier
        .lane(&address, LaneIndex(0), Generation(0))
        .expect("the lane is known")
        .charged;
    assert!(
        charged > BaseUnits(before + after),
        "the counter carries on"
    );
    verifier.shutdown().await.expect("everything is settled");

    // The backup is restored from an export.
    let (text, imported) = ("backup.jsonl", "imported.redb");
    let backup = backup.to_str().expect("text");
    terminal
        .ok(&["store", "export", "--store", backup, "-o", text])
        .await;
    terminal
        .ok(&["store", "import", text, "--store", imported])
        .await;
    let restart = Restart::of(&funded, &terminal.path(imported));
    let error = restart.start().await.expect_err("its age is not known");
    assert!(error.to_string().contains("farthing reconcile"), "{error}");
    let report = terminal.ok(&["reconcile", "--store", imported]).await;
    assert_eq!(report["lanes_behind"].as_array().map(Vec::len), Some(1));
    let verifier = restart.start().await.expect("it agrees with the chain");
    verifier.shutdown().await.expect("nothing is owed");
    funded.world.shutdown().await.expect("everything stops");
}

#[tokio::test]
async fn a_store_must_be_there_and_the_channel_on_this_cluster() {
    let funded = FundedWorld::start(&Options::default(), |_| {}).await;
    let terminal = Terminal::new(funded.world.localnet.rpc_url());
    let (code, message) = terminal.fails(2, &["reconcile"]).await;
    assert_eq!(code, "usage");
    assert!(
        message.starts_with("there is no store at farthing.redb"),
        "{message}"
    );

    let ledger = funded.world.folder.join("ledger.redb");
    let store = ledger.to_str().expect("text");
    let (_, message) = terminal.fails(1, &["reconcile", "--store", store]).await;
    assert!(message.contains("open in another process"), "{message}");

    let empty = terminal.path("farthing.redb");
    drop(farthing_verifier::store::RedbStore::open(&empty).expect("it is made"));
    let nowhere = Pubkey::new_unique().to_string();
    let (_, message) = terminal
        .fails(1, &["reconcile", "--channel", &nowhere])
        .await;
    assert_eq!(
        message,
        format!("there is no channel at {nowhere}: check --channel and --rpc-url")
    );
    let known = funded.funded.address.to_string();
    let report = terminal.ok(&["reconcile", "--channel", &known]).await;
    assert_eq!(report["lanes_that_agree"], json!(2));
    funded.world.shutdown().await.expect("everything stops");
}

/// Stops the gateway, copies its store, and starts it again in the world's place.
async fn restart_on_copy(
    funded: &mut FundedWorld,
    store: &std::path::Path,
    backup: &std::path::Path,
    restart: &Restart,
) {
    // Meanwhile a gateway with its own store takes its place.
    let elsewhere = Restart::of(funded, &store.with_file_name("elsewhere.redb"));
    let other = elsewhere.start().await.expect("an empty store serves");
    let first = std::mem::replace(&mut funded.world.verifier, other);
    first.shutdown().await.expect("everything is settled");
    fs::copy(store, backup).expect("it can be copied");
    let again = restart.start().await.expect("the store is current");
    let other = std::mem::replace(&mut funded.world.verifier, again);
    other.shutdown().await.expect("nothing is owed");
}
