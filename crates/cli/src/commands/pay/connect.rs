//! Creates a client that pays through a lane of a channel on the chain.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use farthing_chain::keys::read_keypair;
use farthing_chain::{Channel, Escrow};
use farthing_client::payer::LanePayer;
use farthing_client::paying_client::{
    Budget, PayError, PayingClient, PayingClientConfig, http_client,
};
use farthing_protocol::LaneIndex;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::args::PayArgs;
use crate::arguments::ChainArgs;
use crate::commands::support;
use crate::connection::Connection;
use crate::error::CliError;
use crate::signing_proxy::Opener;

/// Reads the channel from the chain, checks that it can pay on this cluster, and pins the values that the provider's
/// 402 is compared with: network, mint, payee and settler.
pub(super) async fn connect(
    args: &PayArgs,
    budgets: Vec<Arc<Budget>>,
) -> Result<PayingClient, CliError> {
    let Some(lane_key) = &args.lane_key else {
        return Err(incomplete());
    };
    let key = read_keypair(lane_key)?;
    let connected = Connected::open(args).await?;
    connected.client(args, LaneIndex(args.lane), key, budgets)
}

/// Makes clients for the lanes of one channel whose keys are in a folder.
pub(super) async fn opener(args: &PayArgs, budget: Arc<Budget>) -> Result<Box<Opener>, CliError> {
    // The channel is read now, so that a wrong one is told at the start, and again for each lane.
    Connected::open(args).await?;
    let args = Arc::new(args.clone());
    Ok(Box::new(move |file| {
        let (args, budget) = (Arc::clone(&args), Arc::clone(&budget));
        Box::pin(async move {
            let key = read_keypair(&file)?;
            let connected = Connected::open(&args).await?;
            let lane = connected.lane_of(&key.pubkey())?;
            let proxy = &args.proxy;
            let of_lane = Budget::new(proxy.lane_budget, proxy.lane_budget_per_hour);
            connected.client(&args, lane, key, vec![budget, Arc::new(of_lane)])
        })
    }))
}

fn incomplete() -> CliError {
    CliError::usage(
        "give the channel, the key file of its lane and a node with --channel, --lane-key and --rpc-url",
    )
}

/// A channel that was read from the chain.
struct Connected {
    connection: Connection,
    address: Pubkey,
    channel: Channel,
    mint: Pubkey,
}

impl Connected {
    async fn open(args: &PayArgs) -> Result<Self, CliError> {
        let (Some(address), Some(rpc_url)) = (args.channel, &args.rpc_url) else {
            return Err(incomplete());
        };
        let connection = Connection::open(&ChainArgs {
            rpc_url: rpc_url.clone(),
            program: args.program,
        })
        .await?;
        let channel = support::channel(&connection, &address).await?;
        require_usable(&connection, &address, &channel)?;
        let escrow: Escrow = support::escrow(&connection, &channel.escrow()).await?;
        Ok(Self {
            mint: escrow.mint,
            connection,
            address,
            channel,
        })
    }

    /// The lane that belongs to a key.
    fn lane_of(&self, key: &Pubkey) -> Result<LaneIndex, CliError> {
        let lanes = 0..u16::try_from(self.channel.lanes.len()).unwrap_or(u16::MAX);
        let mut lanes = lanes.map(LaneIndex);
        let is_of_key = |lane: &LaneIndex| {
            let lane = self.channel.lane(*lane);
            lane.is_some_and(|lane| Pubkey::from(lane.signer) == *key)
        };
        lanes.find(is_of_key).ok_or_else(|| {
            CliError::failed(format!("key {key} has no lane in channel {}", self.address))
        })
    }

    fn client(
        &self,
        args: &PayArgs,
        lane: LaneIndex,
        key: Keypair,
        budgets: Vec<Arc<Budget>>,
    ) -> Result<PayingClient, CliError> {
        require_lane(&self.channel, lane)?;
        let program = *self.connection.program();
        let payer = LanePayer::of_channel(program, self.address, &self.channel, lane, key.pubkey())
            .map_err(|error| CliError::failed(error.to_string()))?;
        let config = PayingClientConfig {
            base_url: args.url.clone(),
            program,
            network: self.connection.network.clone(),
            mint: self.mint,
            pay_to: Some(self.channel.payee()),
            settler: Some(self.channel.settler()),
            max_price_per_request: Some(args.max_price),
            max_price_jump: Some(args.max_price_jump),
            max_wait: Duration::from_secs(args.proxy.max_wait),
            budgets,
            tier: args.tier.clone(),
        };
        PayingClient::with_http(http()?, config, payer, key).map_err(pay_error)
    }
}

/// The HTTP client that all lanes share.
fn http() -> Result<reqwest::Client, CliError> {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(http) = HTTP.get() {
        return Ok(http.clone());
    }
    let http = http_client().map_err(pay_error)?;
    Ok(HTTP.get_or_init(|| http).clone())
}

fn require_usable(
    connection: &Connection,
    address: &Pubkey,
    channel: &Channel,
) -> Result<(), CliError> {
    if !channel.domain_is_of(connection.program(), &connection.genesis_hash, address) {
        return Err(CliError::failed(format!(
            "channel {address} was opened for another cluster: do not pay through it"
        )));
    }
    if channel.header.is_closing() {
        return Err(CliError::failed(
            "the channel is closing: pay through another one",
        ));
    }
    Ok(())
}

fn require_lane(channel: &Channel, lane: LaneIndex) -> Result<(), CliError> {
    if channel.lane(lane).is_some_and(|lane| lane.is_revoked()) {
        return Err(CliError::failed(format!(
            "lane {lane} is revoked: pay through another one"
        )));
    }
    Ok(())
}

pub(crate) fn pay_error(error: PayError) -> CliError {
    let message = error.to_string();
    match error {
        PayError::Configuration(_) => CliError::Usage(message),
        PayError::Transport(_) | PayError::AnswerLost { .. } => CliError::Unreachable(message),
        PayError::Lane(_) | PayError::Unexpected { .. } | PayError::AnswerTooLong(_) => {
            CliError::Failed(message)
        }
        _ => CliError::Payment {
            code: error.code().to_owned(),
            message,
        },
    }
}
