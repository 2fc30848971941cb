//! Implementation of `farthing receipt`.

use farthing_client::paying_client::ask_key_set;
use farthing_protocol::LaneIndex;
use farthing_wire::receipt::{Claims, request_digest, unverified, verify};
use solana_sdk::pubkey::Pubkey;

use super::report::{Trust, Verified};
use crate::arguments::ChainArgs;
use crate::commands::pay::connect::pay_error;
use crate::commands::receipt::args::ReceiptCommand;
use crate::commands::receipt::args::VerifyArgs;
use crate::commands::support;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Runs `farthing receipt`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(command: ReceiptCommand, output: Output) -> Result<(), CliError> {
    let ReceiptCommand::Verify(args) = command;
    let token = super::source::token(&args.receipt)?;
    let named = unverified(&token).map_err(failed)?;
    let (settler, trust) = settler(&args, &named).await?;
    let claims = verify(&token, &settler).map_err(failed)?;
    require_sum(&claims)?;
    if let Some(body) = &args.body {
        require_request(&args, &super::source::read(body)?, &claims)?;
    }
    output.report(&Verified::new(claims, trust, args.body.is_some()))
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::failed(error.to_string())
}

/// Determines the settler that must have signed, and on what authority: the caller's, the provider's or the chain's.
async fn settler(args: &VerifyArgs, named: &Claims) -> Result<(Pubkey, Trust), CliError> {
    if let Some(settler) = args.settler {
        return Ok((settler, Trust::Settler));
    }
    if let Some(url) = &args.url {
        let keys = ask_key_set(url).await.map_err(pay_error)?;
        keys.require(&named.iss).map_err(failed)?;
        return Ok((named.iss, Trust::KeySet));
    }
    let Some(rpc_url) = &args.rpc_url else {
        return Err(CliError::usage(
            "say whom to believe about the settler: the chain with --rpc-url, yourself with --settler, or the \
            provider's own key set with --url",
        ));
    };
    let connection = Connection::open(&ChainArgs {
        rpc_url: rpc_url.clone(),
        program: args.program,
    })
    .await?;
    Ok((on_chain(&connection, named).await?, Trust::Chain))
}

/// Reads the channel's settler from the chain, after checking that the receipt is about this channel and lane.
async fn on_chain(connection: &Connection, named: &Claims) -> Result<Pubkey, CliError> {
    if named.program != *connection.program() {
        return Err(CliError::failed(format!(
            "the receipt is about the program {}, but the program trusted on {} is {}: check --rpc-url and --program",
            named.program,
            connection.cluster,
            connection.program()
        )));
    }
    let channel = support::channel(connection, &named.channel).await?;
    let is_its = channel.domain_is_of(
        connection.program(),
        &connection.genesis_hash,
        &named.channel,
    );
    if channel.header.domain != named.domain || !is_its {
        return Err(CliError::failed(format!(
            "the receipt is about another channel that had the address {}, or about another cluster",
            named.channel
        )));
    }
    let lane = channel
        .lane(LaneIndex(named.lane))
        .ok_or_else(|| failed(format!("the channel has no lane {}", named.lane)))?;
    let same_generation = lane.generation.0 == named.generation;
    if same_generation && Pubkey::from(lane.signer) != named.sub {
        return Err(CliError::failed(format!(
            "lane {} belongs to another key than the receipt's {}",
            named.lane, named.sub
        )));
    }
    Ok(channel.settler())
}

/// Checks that the receipt's price and usage add up to its charge.
fn require_sum(claims: &Claims) -> Result<(), CliError> {
    let sum = claims.sold.as_ref().map(|sold| sold.charge());
    match sum {
        Some(sum) if sum != claims.charged => Err(CliError::failed(format!(
            "the receipt is signed, but its price and usage make {sum} base units and it charges {}: dispute it with \
            the provider",
            claims.charged
        ))),
        _ => Ok(()),
    }
}

fn require_request(args: &VerifyArgs, body: &[u8], claims: &Claims) -> Result<(), CliError> {
    let (path, query) = args
        .path
        .split_once('?')
        .unwrap_or((args.path.as_str(), ""));
    let digest = request_digest(&args.method, path, query, body);
    match claims.request {
        Some(request) if request.to_bytes() == digest => Ok(()),
        Some(_) => Err(CliError::failed(format!(
            "the receipt is signed, but for another request than {} {} with this body",
            args.method, args.path
        ))),
        None => Err(CliError::failed(
            "the receipt was signed for a facilitator's payment, which does not include the request: it proves what \
            was charged, but not for which request",
        )),
    }
}
