//! The parts that survive the kills: a local chain, a model, and funded lanes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farthing_chain::{NewLane, PROGRAM_ID};
use farthing_cli::demo_model::{DemoModel, Latency, MAX_OUTPUT_TOKENS, MODEL};
use farthing_cli::dev::economy::{Economy, settler_path};
use farthing_cli::localnet::{DEFAULT_SLOT_TIME, Localnet};
use farthing_client::payer::LanePayer;
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::Result;
use super::lane::PayingLane;
use super::process::Processes;

/// Number of channels, each with its own settlements.
const CHANNELS: u64 = 4;
/// Number of lanes of each channel: more than one transaction can claim.
const LANES: u16 = 16;
/// Cap of each lane, 1,000 USDC: more than any run spends.
const CAP: BaseUnits = BaseUnits(1_000_000_000);
/// Deposit of each channel: enough for the caps of all its lanes.
const DEPOSIT: BaseUnits = BaseUnits(CAP.0 * LANES as u64);
/// Latency of the model: answers take long enough that a kill cuts most of them off.
const LATENCY: Latency = Latency {
    first_token: Duration::from_millis(5),
    per_token: Duration::from_millis(4),
};

/// The surviving environment of the killed processes.
pub struct World {
    localnet: Localnet,
    model: DemoModel,
    economy: Economy,
    channels: Vec<Pubkey>,
    /// All lanes of all channels.
    pub lanes: Vec<Arc<PayingLane>>,
    /// The ledger's database.
    pub store: PathBuf,
    /// How the gateway's processes are started.
    pub processes: Processes,
}

impl World {
    /// Starts a chain and a model, creates an economy and opens its channels. All files are stored in `folder`.
    ///
    /// # Errors
    /// If something does not start.
    pub async fn start(folder: &Path, executable: PathBuf) -> Result<Self> {
        let localnet = Localnet::start(DEFAULT_SLOT_TIME).await?;
        let mut economy = Economy::found(&localnet, folder).await?;
        let model = DemoModel::start(LATENCY).await?;
        let prepaid = BaseUnits(DEPOSIT.0 * CHANNELS);
        let escrow = economy.prepay(&localnet, 0, prepaid).await?;
        let (mut channels, mut lanes) = (Vec::new(), Vec::new());
        for id in 0..CHANNELS {
            let keys: Vec<Keypair> = (0..LANES).map(|_| Keypair::new()).collect();
            let new_lanes: Vec<NewLane> = keys
                .iter()
                .map(|key| NewLane {
                    signer: key.pubkey(),
                    cap: CAP,
                })
                .collect();
            let address = economy
                .open_channel(&escrow.address, id, DEPOSIT, &new_lanes)
                .await?;
            let channel = economy.channel(&address).await?;
            for (index, key) in (0..).map(LaneIndex).zip(keys) {
                let payer =
                    LanePayer::of_channel(PROGRAM_ID, address, &channel, index, key.pubkey())?;
                lanes.push(Arc::new(PayingLane::new(payer, key)));
            }
            channels.push(address);
        }
        let world = Self {
            channels,
            lanes,
            store: folder.join("ledger.redb"),
            processes: Processes {
                executable,
                config: folder.join("farthing.toml"),
                settler_key: settler_path(folder),
                log: folder.join("farthing.log"),
                http: reqwest::Client::new(),
            },
            localnet,
            model,
            economy,
        };
        fs::write(&world.processes.config, world.config())?;
        Ok(world)
    }

    /// The text of `farthing.toml`. Streams write checkpoints often and settlements are always in progress, so that
    /// every kill hits both.
    fn config(&self) -> String {
        let (upstream, rpc_url) = (self.model.url(), self.localnet.rpc_url());
        let (store, payee) = (self.store.display(), self.economy.payee());
        format!(
            r#"
            [admin]
            listen = "127.0.0.1:0"
            [http]
            listen = "127.0.0.1:0"
            upstream = "{upstream}"
            [pricing.models."{MODEL}"]
            input_per_million = "2.5"
            output_per_million = "10"
            max_output_tokens = {MAX_OUTPUT_TOKENS}
            [store]
            path = '{store}'
            checkpoint_interval_ms = 20
            [chain]
            rpc_url = "{rpc_url}"
            payee = "{payee}"
            min_grace_seconds = {MIN_GRACE_SECONDS}
            poll_interval_ms = 100
            [settler]
            min_claim = "0"
            max_age_ms = 200
            poll_interval_ms = 50
            "#
        )
    }

    /// Amounts debited from every lane on the chain, in the order of [`Self::lanes`].
    ///
    /// # Errors
    /// If the chain does not answer.
    pub async fn debited(&self) -> Result<Vec<BaseUnits>> {
        let mut debited = Vec::new();
        for address in &self.channels {
            let channel = self.economy.channel(address).await?;
            debited.extend(channel.lanes.iter().map(|lane| lane.debited));
        }
        Ok(debited)
    }

    /// Balance of the payee's token account.
    ///
    /// # Errors
    /// If the chain does not answer.
    pub async fn payee_balance(&self) -> Result<BaseUnits> {
        Ok(self.economy.payee_balance().await?)
    }

    /// Stops the model and the chain.
    ///
    /// # Errors
    /// If the chain does not stop.
    pub async fn shutdown(self) -> Result<()> {
        self.model.shutdown().await;
        Ok(self.localnet.shutdown().await?)
    }
}
