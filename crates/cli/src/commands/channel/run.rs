//! Implementation of `farthing channel`.

use farthing_chain::Channel;
use farthing_chain::instructions::{
    CloseChannel, FundChannel, Funds, close_channel, fund_channel, request_close,
};
use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;

use super::authority::{Lock, authorize, require_authority};
use super::grace::grace_left;
use super::report::{CloseRequested, Closed, Funded, Status};
use crate::commands::channel::args::ChannelCommand;
use crate::commands::channel::args::{ChangeChannelArgs, ChannelStatusArgs, FundChannelArgs};
use crate::commands::support::{self, Signers};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Runs `farthing channel`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(command: ChannelCommand, output: Output) -> Result<(), CliError> {
    match command {
        ChannelCommand::Open(args) => super::open::run(*args, output).await,
        ChannelCommand::Fund(args) => fund(args, output).await,
        ChannelCommand::Status(args) => status(args, output).await,
        ChannelCommand::RequestClose(args) => ask_to_close(args, output).await,
        ChannelCommand::Close(args) => close(args, output).await,
    }
}

async fn fund(args: FundChannelArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let channel = support::channel(&connection, &args.channel).await?;
    if channel.header.is_closing() {
        return Err(CliError::failed(
            "the channel is closing: open another one with `farthing channel open`",
        ));
    }
    let escrow_address = channel.escrow();
    let escrow = support::escrow(&connection, &escrow_address).await?;
    let approval = authorize(
        &connection,
        &signers,
        &escrow_address,
        &escrow,
        &Lock {
            payee: channel.payee(),
            grace_seconds: channel.header.grace_seconds,
            amount: args.amount,
        },
    )
    .await?;
    let input = FundChannel {
        authority: signers.actor(),
        escrow: escrow_address,
        token: escrow.token(),
        approval,
        channel: args.channel,
        amount: args.amount,
    };
    let instruction = fund_channel(connection.program(), &input);
    let transaction = signers.send(&connection, &[instruction], output).await?;
    let channel = support::channel(&connection, &args.channel).await?;
    output.report(&Funded {
        channel: args.channel.to_string(),
        amount: args.amount.0,
        deposit: channel.header.deposit.0,
        transaction: transaction.to_string(),
    })
}

async fn status(args: ChannelStatusArgs, output: Output) -> Result<(), CliError> {
    let connection = Connection::open(&args.chain).await?;
    let channel = support::channel(&connection, &args.channel).await?;
    let now = connection
        .chain
        .chain_time(CommitmentConfig::confirmed())
        .await?;
    output.report(&Status::new(&connection, &args.channel, &channel, now))
}

async fn ask_to_close(args: ChangeChannelArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let channel = support::channel(&connection, &args.channel).await?;
    if channel.header.is_closing() {
        return Err(CliError::failed(format!(
            "the close was requested already: run `farthing channel status {}` to see when its grace ends",
            args.channel
        )));
    }
    let escrow_address = channel.escrow();
    let escrow = support::escrow(&connection, &escrow_address).await?;
    require_authority(&escrow, &signers)?;
    let instruction = request_close(
        connection.program(),
        &signers.actor(),
        &escrow_address,
        &args.channel,
    );
    let transaction = signers.send(&connection, &[instruction], output).await?;
    output.report(&CloseRequested {
        channel: args.channel.to_string(),
        grace_seconds: channel.header.grace_seconds,
        transaction: transaction.to_string(),
    })
}

async fn close(args: ChangeChannelArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let channel = support::channel(&connection, &args.channel).await?;
    let now = connection
        .chain
        .chain_time(CommitmentConfig::confirmed())
        .await?;
    require_closable(&args.channel, &channel, &signers.actor(), now)?;
    let escrow_address = channel.escrow();
    let escrow = support::escrow(&connection, &escrow_address).await?;
    let input = CloseChannel {
        authority: signers.actor(),
        funds: Funds {
            escrow: escrow_address,
            channel: args.channel,
            payee: channel.payee(),
            token: escrow.token(),
        },
        rent_payer: channel.rent_payer(),
    };
    let instruction = close_channel(connection.program(), &input);
    let transaction = signers.send(&connection, &[instruction], output).await?;
    let left = connection
        .chain
        .channel(&args.channel, CommitmentConfig::confirmed())
        .await?;
    output.report(&Closed {
        channel: args.channel.to_string(),
        returned: channel
            .header
            .deposit
            .saturating_sub(channel.header.debited)
            .0,
        unpaid: left.map_or(0, |left| left.header.unpaid.0),
        transaction: transaction.to_string(),
    })
}

/// Checks that the actor may close the channel now: nobody may right after it was opened; then the payee may at any
/// time, and anyone after the grace.
pub(super) fn require_closable(
    address: &Pubkey,
    channel: &Channel,
    actor: &Pubkey,
    now: ChainTime,
) -> Result<(), CliError> {
    let header = &channel.header;
    let window_end = header.opened_slot.saturating_add(OPENED_SLOT_WINDOW);
    if now.slot <= window_end {
        return Err(CliError::failed(format!(
            "the channel was opened too recently: it can be closed after slot {window_end}, {} slots from now",
            window_end - now.slot
        )));
    }
    if *actor == channel.payee() {
        return Ok(());
    }
    if !header.is_closing() {
        return Err(CliError::failed(format!(
            "only the payee {} may close the channel now: the escrow's owner can run \
             `farthing channel request-close {address}` and close it {} seconds later",
            channel.payee(),
            header.grace_seconds
        )));
    }
    if grace_is_over(header.close_requested, header.grace_seconds, now) {
        return Ok(());
    }
    let left = grace_left(channel, now);
    Err(CliError::failed(format!(
        "the provider still has {} seconds and {} slots to settle: close the channel then",
        left.seconds, left.slots
    )))
}
