//! `farthing dev`: a complete economy on one machine, from an empty chain to a closed and reconciled escrow.
//!
//! It starts a local chain with the program. An owner prepays an escrow and opens a channel with a lane per agent.
//! A gateway serves a model, and a swarm of agents pays for inference through it with many concurrent requests. Then
//! the channel is settled, channel and escrow are closed, and a report compares the clients' receipts with the chain.
//!
//! Nothing that only this demo can do belongs here: agents pay with the client library, the gateway is the verifier,
//! and the program enforces the on-chain rules.

pub mod commit_probe;
pub mod economy;
pub mod gateway;
pub mod invitation;
pub mod latency;
pub mod plan;
pub mod progress;
pub mod report;
pub mod swarm;
pub mod tally;
pub mod upstream;
pub mod world;

use std::path::Path;
use std::time::Instant;

use farthing_chain::ChainError;
use farthing_chain::keys::KeyFileError;
use farthing_client::paying_client::PayError;
use farthing_verifier::store::StoreError;
use farthing_verifier::{SettleError, StartError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::localnet::LocalnetError;
use plan::Plan;
use progress::Progress;
use report::EconomyReport;
use world::World;

/// Options of a demo run.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Number of agents, each with its own lane.
    pub agents: u16,
    /// Number of requests of each agent.
    pub requests: u32,
    /// Base URL of an OpenAI-compatible upstream; `None` uses the demo model.
    pub upstream: Option<String>,
    /// Name of the upstream's model; `None` uses the first one that the upstream lists.
    pub model: Option<String>,
    /// API key of the upstream. Never shown.
    pub upstream_api_key: Option<String>,
}

/// Starts a world in `folder` and runs its swarm. The world is still running when this returns.
///
/// # Errors
/// [`DevError`] if the run could not be completed.
pub async fn run(
    options: &Options,
    folder: &Path,
    started: Instant,
    progress: &Progress,
) -> Result<(World, EconomyReport), DevError> {
    let mut world = World::start(options, folder, progress).await?;
    let price = world.sale.price();
    let plan = Plan::new(options.agents, options.requests, &world.sale.model, price)?;
    let report = world.run_swarm(plan, started, progress).await?;
    Ok((world, report))
}

/// Why the demo could not be completed. Failed requests are not errors; they are counted in the report.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The requests cannot be planned.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The local chain failed.
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    /// A transaction or a query failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key file could not be read or written.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The gateway did not start.
    #[error("the gateway did not start: {0}")]
    Gateway(#[from] StartError),
    /// The gateway did not settle.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// An agent's client could not be created.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The demo model did not start.
    #[error("the demo model did not start: {0}")]
    DemoModel(#[source] std::io::Error),
    /// No model was given, and the upstream's list of models could not be used.
    #[error("cannot list the models of {upstream} ({reason}): give one with --model")]
    NoModel {
        /// The upstream's base URL.
        upstream: String,
        /// Why the list could not be used.
        reason: String,
    },
    /// The store used to measure commits failed.
    #[error("cannot measure group commits: {0}")]
    Probe(#[from] StoreError),
    /// A channel that should exist is not on the chain.
    #[error("there is no channel {0} on the local chain")]
    NoChannel(Pubkey),
    /// The fee of a transaction could not be read from the chain.
    #[error("cannot read the fee of transaction {0} from the local chain: {1}")]
    NoFee(Signature, String),
}
