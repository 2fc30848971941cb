//! Creates a client that pays through a lane of a channel on the chain.

use farthing_chain::keys::read_keypair;
use farthing_chain::{Channel, Escrow};
use farthing_client::payer::LanePayer;
use farthing_client::paying_client::{PayError, PayingClient, PayingClientConfig};
use farthing_protocol::LaneIndex;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use super::args::PayArgs;
use crate::arguments::ChainArgs;
use crate::commands::support;
use crate::connection::Connection;
use crate::error::CliError;

/// Reads the channel from the chain, checks that it can pay on this cluster, and pins the values that the provider's
/// 402 is compared with: network, mint, payee and settler.
pub(super) async fn connect(args: &PayArgs) -> Result<PayingClient, CliError> {
    let (Some(address), Some(lane_key), Some(rpc_url)) =
        (args.channel, &args.lane_key, &args.rpc_url)
    else {
        return Err(CliError::usage(
            "give the channel, the key file of its lane and a node with --channel, --lane-key and --rpc-url",
        ));
    };
    let key = read_keypair(lane_key)?;
    let connection = Connection::open(&ChainArgs {
        rpc_url: rpc_url.clone(),
        program: args.program,
    })
    .await?;
    let channel = support::channel(&connection, &address).await?;
    let lane = LaneIndex(args.lane);
    require_usable(&connection, &address, &channel, lane)?;
    let escrow: Escrow = support::escrow(&connection, &channel.escrow()).await?;
    let payer = LanePayer::of_channel(*connection.program(), address, &channel, lane, key.pubkey())
        .map_err(|error| CliError::failed(error.to_string()))?;
    let config = PayingClientConfig {
        base_url: args.url.clone(),
        program: *connection.program(),
        network: connection.network.clone(),
        mint: escrow.mint,
        pay_to: Some(channel.payee()),
        settler: Some(channel.settler()),
        max_price_per_request: args.max_price,
        tier: args.tier.clone(),
    };
    PayingClient::new(config, payer, key).map_err(pay_error)
}

fn require_usable(
    connection: &Connection,
    address: &Pubkey,
    channel: &Channel,
    lane: LaneIndex,
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
