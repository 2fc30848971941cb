//! The running demo: chain, economy, gateway and model, and the sequence of steps of a run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use farthing_chain::NewLane;
use farthing_chain::keys::generate_keypair;
use farthing_protocol::BaseUnits;
use farthing_verifier::{Config, Verifier};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::commit_probe::CommitProbe;
use super::economy::{Economy, PrepaidEscrow};
use super::gateway::{self, Sale};
use super::plan::Plan;
use super::progress::Progress;
use super::report::{EconomyFigures, EconomyReport};
use super::swarm::{self, Calm, Outcome, PayingChannel};
use super::{DevError, Options, tally, upstream};
use crate::demo_model::DemoModel;
use crate::localnet::{DEFAULT_SLOT_TIME, Localnet};

/// Number of the swarm's escrow.
const SWARM_ESCROW: u64 = 0;
/// Maximum number of requests that are measured one at a time; otherwise one in five.
const MAX_CALM_REQUESTS: u64 = 40;

/// A running demo.
pub struct World {
    /// The local chain.
    pub localnet: Localnet,
    /// The owner, the payee and the settler.
    pub economy: Economy,
    /// The gateway.
    pub verifier: Verifier,
    /// The model that the gateway sells.
    pub sale: Sale,
    /// Folder with the keys and the ledger.
    pub folder: PathBuf,
    model: Option<DemoModel>,
}

/// An escrow with its channel and the keys of its lanes.
pub struct FundedChannel {
    /// The escrow.
    pub escrow: PrepaidEscrow,
    /// The channel's address.
    pub address: Pubkey,
    /// The keys of its lanes.
    pub keys: Vec<Keypair>,
}

impl World {
    /// Starts a chain, creates an economy on it, and starts a gateway in front of a model. Keys and ledger are stored
    /// in `folder`.
    ///
    /// # Errors
    /// [`DevError`] says what did not start.
    pub async fn start(
        options: &Options,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Self, DevError> {
        Self::start_with(options, folder, progress, |_| ()).await
    }

    /// Like [`Self::start`], but with changes to the gateway's configuration, which `configure` makes last.
    ///
    /// # Errors
    /// [`DevError`] says what did not start.
    pub async fn start_with(
        options: &Options,
        folder: &Path,
        progress: &Progress,
        configure: impl FnOnce(&mut Config),
    ) -> Result<Self, DevError> {
        progress.step("starting a local chain");
        let localnet = Localnet::start(DEFAULT_SLOT_TIME).await?;
        let economy = Economy::found(&localnet, folder).await?;
        progress.step("starting the gateway");
        let (model, sale) = upstream::start(options).await?;
        let mut config = gateway::config(&sale, &economy, localnet.rpc_url(), folder);
        config.http.upstream_api_key = options.upstream_api_key.clone().map(Into::into);
        configure(&mut config);
        let verifier = gateway::start(config, &economy).await?;
        Ok(Self {
            localnet,
            economy,
            verifier,
            sale,
            folder: folder.to_owned(),
            model,
        })
    }

    /// Prepays an escrow and opens a channel from it, with a new key and a lane of `cap` for each of
    /// `agents`. The keys are written to `<folder>/<name>-<n>.json`.
    ///
    /// # Errors
    /// [`DevError`] if a key cannot be written or the chain refuses.
    pub async fn fund_channel(
        &mut self,
        escrow_id: u64,
        prepaid: BaseUnits,
        deposit: BaseUnits,
        lanes: &LanesToOpen<'_>,
    ) -> Result<FundedChannel, DevError> {
        let escrow = self
            .economy
            .prepay(&self.localnet, escrow_id, prepaid)
            .await?;
        let keys = (0..lanes.count)
            .map(|n| generate_keypair(&self.folder.join(format!("{}-{n}.json", lanes.name))))
            .collect::<Result<Vec<_>, _>>()?;
        let new_lanes: Vec<NewLane> = keys
            .iter()
            .map(|key| NewLane {
                signer: key.pubkey(),
                cap: lanes.cap,
            })
            .collect();
        let address = self
            .economy
            .open_channel(&escrow.address, 0, deposit, &new_lanes)
            .await?;
        Ok(FundedChannel {
            escrow,
            address,
            keys,
        })
    }

    /// Runs the swarm's plan, settles, closes channel and escrow, and reads the figures back from the chain.
    ///
    /// # Errors
    /// [`DevError`] if the chain or the gateway fails. Failed requests are only counted.
    pub async fn run_swarm(
        &mut self,
        plan: Plan,
        started: Instant,
        progress: &Progress,
    ) -> Result<EconomyReport, DevError> {
        progress.step("the owner prepays an escrow and opens a channel with a lane per agent");
        let lanes = LanesToOpen {
            name: "agent",
            count: plan.agents.len(),
            cap: plan.lane_cap,
        };
        let funded = self
            .fund_channel(SWARM_ESCROW, plan.prepaid, plan.channel_deposit, &lanes)
            .await?;
        let requests = plan.requests();
        let (outcomes, calm) = self.ask_everything(plan, &funded, progress).await?;
        progress.step("settling");
        let settlement = self.verifier.settle_now().await?;
        let settled = self.economy.channel(&funded.address).await?.header.debited;
        progress.step(
            "waiting until the channel may be closed, then closing the channel and the escrow",
        );
        self.economy.close_channel(&funded.address).await?;
        self.economy.close_escrow(&funded.escrow).await?;
        progress.step("reading the figures back from the chain");
        let figures = EconomyFigures {
            agents: u16::try_from(funded.keys.len()).unwrap_or(u16::MAX),
            settled_on_chain: settled.0,
            payee_received: self.economy.payee_balance().await?.0,
            owner_deposited: funded.escrow.deposited.0,
            owner_refunded: self.economy.refunded(&funded.escrow).await?.0,
            vault_left: self.economy.balance(&funded.escrow.vault).await?.0,
            settle_transactions: settlement.transactions.len() as u64,
            settlement_rounds: settlement.rounds.into(),
            lamports_fees: self.economy.fees(&settlement.transactions).await?,
            ..tally::of_requests(&outcomes, requests, started)
        };
        Ok(EconomyReport {
            figures,
            overhead: tally::overhead(calm),
            failures: tally::failures(&outcomes),
        })
    }

    /// Drains and stops everything, beginning with the gateway, which settles its unsettled charges.
    ///
    /// # Errors
    /// [`DevError`] if something does not stop or cannot settle.
    pub async fn shutdown(self) -> Result<(), DevError> {
        self.verifier.shutdown().await?;
        if let Some(model) = self.model {
            model.shutdown().await;
        }
        self.localnet.shutdown().await?;
        Ok(())
    }

    /// Sends all requests of the plan: some one at a time, to measure them, then the rest concurrently.
    async fn ask_everything(
        &self,
        plan: Plan,
        funded: &FundedChannel,
        progress: &Progress,
    ) -> Result<(Vec<Outcome>, Calm), DevError> {
        let account = self.economy.channel(&funded.address).await?;
        let channel = PayingChannel {
            gateway: &self.verifier.url(),
            address: funded.address,
            channel: &account,
        };
        let requests = plan.requests();
        progress.start_requests(requests);
        let mut agents = swarm::agents(plan, &channel, &funded.keys)?;
        let calm = match &self.sale.free_model {
            Some(free_model) => {
                let count = (requests / 5).min(MAX_CALM_REQUESTS) as usize;
                let mut probe = CommitProbe::open(&self.folder)?;
                let calm =
                    swarm::one_at_a_time(&mut agents, count, free_model, &mut probe, progress)
                        .await;
                probe.close().await;
                calm
            }
            None => Calm::default(),
        };
        let charged = tally::charged(&calm.paid);
        let mut outcomes = swarm::all_at_once(agents, charged, progress).await;
        outcomes.extend(calm.paid.iter().cloned());
        progress.end_requests();
        Ok((outcomes, calm))
    }
}

/// The lanes to open a channel with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanesToOpen<'a> {
    /// Prefix of the key files' names.
    pub name: &'a str,
    /// Number of lanes.
    pub count: usize,
    /// Cap of each lane.
    pub cap: BaseUnits,
}
