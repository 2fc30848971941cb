//! `farthing dev`: a whole economy on one machine, from an empty chain to a reconciled close.
//!
//! A local chain with the program on it; an owner who prepays an escrow and opens a channel with a lane
//! per agent; a gateway in front of a model; a swarm that pays for inference through it, many requests
//! at a time; settlement, close, and a report whose figures come from both ends: receipts here, RPC
//! there.
//!
//! What must not live here: anything that only this demo can do. Agents pay with the client library,
//! the gateway is the verifier, and the chain's rules are the program's.

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
use report::Report;
use world::World;

/// What to run.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Agents, each with its own lane.
    pub agents: u16,
    /// Requests of each agent.
    pub requests: u32,
    /// Base URL of an OpenAI-compatible upstream; the demo model without one.
    pub upstream: Option<String>,
    /// The upstream's model; the first that it lists without one.
    pub model: Option<String>,
    /// The upstream's key. Never shown.
    pub upstream_api_key: Option<String>,
}

/// Starts a world in `folder` and lets its swarm run: the world goes on after it.
///
/// # Errors
/// [`DevError`] if it could not run to its end.
pub async fn run(
    options: &Options,
    folder: &Path,
    started: Instant,
    progress: &Progress,
) -> Result<(World, Report), DevError> {
    let mut world = World::start(options, folder, progress).await?;
    let price = world.sale.price();
    let plan = Plan::new(options.agents, options.requests, &world.sale.model, price)?;
    let report = world.run_swarm(plan, started, progress).await?;
    Ok((world, report))
}

/// Why the demo could not run to its end. A request that fails is not among these: it is counted.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The requests cannot be planned.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The local chain.
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    /// A transaction or a query.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The gateway did not start.
    #[error("the gateway did not start: {0}")]
    Gateway(#[from] StartError),
    /// The gateway did not settle.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// An agent's client.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The demo model.
    #[error("the demo model did not start: {0}")]
    DemoModel(#[source] std::io::Error),
    /// Nobody said which of the upstream's models to sell.
    #[error("cannot list the models of {upstream} ({reason}): name one with --model")]
    NoModel {
        /// The upstream's base URL.
        upstream: String,
        /// Why its list was no help.
        reason: String,
    },
    /// The store that measures commits.
    #[error("cannot measure group commits: {0}")]
    Probe(#[from] StoreError),
    /// A channel that should be on the chain.
    #[error("there is no channel {0} on the local chain")]
    NoChannel(Pubkey),
    /// A transaction whose fee the chain does not tell.
    #[error("the local chain answered for transaction {0} {1}")]
    NoFee(Signature, String),
}
