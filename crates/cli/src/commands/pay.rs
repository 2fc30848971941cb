//! `farthing pay`: one paid call, its answer and its receipt; or a proxy that pays for whoever asks it.

mod answer;
mod listen;
mod report;

use std::io::Read;

use farthing_chain::keys::read_keypair;
use farthing_chain::{Channel, Escrow};
use farthing_client::payer::LanePayer;
use farthing_client::paying_client::{PayError, PayingClient, PayingClientConfig, ask_terms};
use farthing_protocol::LaneIndex;
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use crate::cli::{ChainArgs, PayArgs};
use crate::commands::support;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;
use report::{Paid, Quoted};

/// Longest body that is read from a file or stdin, in bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Runs `farthing pay`.
///
/// # Errors
/// [`CliError`] says what to do next.
pub async fn run(args: PayArgs, output: Output) -> Result<(), CliError> {
    if let Some(address) = args.listen {
        return listen::run(address, &args, output).await;
    }
    let body = request_body(&args)?;
    if args.quote {
        let required = ask_terms(&args.url, &body).await.map_err(pay_error)?;
        return output.report(&Quoted::new(&args.url, required));
    }
    let client = connect(&args).await?;
    let answer = client.chat(body).await.map_err(pay_error)?;
    let answered = answer::read(answer, output).await?;
    output.report(&Paid::new(answered))
}

/// The body that was given, or one made of model and prompt.
fn request_body(args: &PayArgs) -> Result<Value, CliError> {
    let mut body = match (&args.data, &args.data_file, &args.prompt, &args.model) {
        (Some(data), ..) => parse(data.as_bytes())?,
        (_, Some(path), ..) => parse(&read_body(path)?)?,
        (_, _, Some(prompt), Some(model)) => {
            let mut body = json!({
                "model": model,
                "messages": [{"role": "user", "content": prompt}],
            });
            if let Some(max_tokens) = args.max_tokens {
                body["max_tokens"] = max_tokens.into();
            }
            body
        }
        _ => {
            return Err(CliError::usage(
                "say what to ask: a prompt with --model, or the body with --data or --data-file",
            ));
        }
    };
    if args.stream {
        body["stream"] = true.into();
    }
    Ok(body)
}

fn parse(data: &[u8]) -> Result<Value, CliError> {
    let body: Value = serde_json::from_slice(data)
        .map_err(|error| CliError::usage(format!("the request's body is not JSON: {error}")))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(CliError::usage("the request's body must be a JSON object"))
    }
}

fn read_body(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    let mut data = Vec::new();
    let result = if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_BODY_BYTES).read_to_end(&mut data)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BODY_BYTES).read_to_end(&mut data))
    };
    result.map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(data)
}

/// Reads the channel from the chain, checks that vouchers for it are worth something on this cluster, and
/// pins what the provider's 402 is compared with.
async fn connect(args: &PayArgs) -> Result<PayingClient, CliError> {
    let (Some(address), Some(lane_key), Some(rpc_url)) =
        (args.channel, &args.lane_key, &args.rpc_url)
    else {
        return Err(CliError::usage(
            "name the channel, its lane's key file and a node: --channel, --lane-key, --rpc-url",
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

pub(super) fn pay_error(error: PayError) -> CliError {
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
