//! `farthing channel`: funds locked for one provider, with a lane per agent.

mod lanes;
pub(crate) mod open;
mod report;

use farthing_chain::instructions::{
    CloseChannel, FundChannel, Funds, close_channel, fund_channel, request_close,
};
use farthing_chain::{Channel, Escrow, approval_address};
use farthing_protocol::BaseUnits;
use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use farthing_wire::amount::Usdc;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;

use crate::cli::ChannelCommand;
use crate::cli::channel::{ChangeChannelArgs, ChannelStatusArgs, FundChannelArgs};
use crate::commands::support::{self, Signers};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;
use report::{CloseRequested, Closed, Funded, Status};

/// Runs `farthing channel`.
///
/// # Errors
/// [`CliError`] says what to do next.
pub async fn run(command: ChannelCommand, output: Output) -> Result<(), CliError> {
    match command {
        ChannelCommand::Open(args) => open::run(*args, output).await,
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
            "the close was requested already: see `farthing channel status {}` for the end of its grace",
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

/// The payee may close at any time, anyone after the grace, nobody right after the opening.
fn require_closable(
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
            "only the payee {} may close the channel now: its owner can run `farthing channel request-close {address}`, and close it {} seconds later",
            channel.payee(),
            header.grace_seconds
        )));
    }
    if grace_is_over(header.close_requested, header.grace_seconds, now) {
        return Ok(());
    }
    let left = grace_left(channel, now);
    Err(CliError::failed(format!(
        "the provider has {} more seconds and {} more slots to settle: close the channel then",
        left.seconds, left.slots
    )))
}

/// What is left of a grace, in both of its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GraceLeft {
    seconds: u64,
    slots: u64,
}

fn grace_left(channel: &Channel, now: ChainTime) -> GraceLeft {
    let grace = channel.header.grace_seconds;
    let requested = channel.header.close_requested;
    let seconds = requested
        .unix_timestamp
        .saturating_add(i64::from(grace))
        .saturating_sub(now.unix_timestamp);
    GraceLeft {
        seconds: seconds.max(0).unsigned_abs(),
        slots: requested
            .slot
            .saturating_add(u64::from(grace))
            .saturating_sub(now.slot),
    }
}

/// Funds that are to be locked for a payee.
struct Lock {
    payee: Pubkey,
    grace_seconds: u32,
    amount: BaseUnits,
}

/// Checks who locks funds, and that there are enough. Returns the approval that the manager needs.
async fn authorize(
    connection: &Connection,
    signers: &Signers,
    escrow_address: &Pubkey,
    escrow: &Escrow,
    lock: &Lock,
) -> Result<Option<Pubkey>, CliError> {
    require_authority(escrow, signers)?;
    let balance = support::balance(connection, &escrow.vault(escrow_address)).await?;
    require_free(escrow_address, escrow, balance, lock.amount)?;
    if signers.actor() == escrow.owner {
        return Ok(None);
    }
    if lock.amount > escrow.manager_allowance {
        return Err(CliError::failed(format!(
            "the manager may lock {} USDC more, {} is needed: ask the owner to raise the allowance",
            Usdc(escrow.manager_allowance),
            Usdc(lock.amount)
        )));
    }
    let (address, _) = approval_address(connection.program(), escrow_address, &lock.payee);
    let approval = connection
        .chain
        .approval(&address, CommitmentConfig::confirmed())
        .await?
        .ok_or_else(|| {
            CliError::failed(format!(
                "the owner has not approved payee {} for the manager: ask for it, or sign with the owner's key",
                lock.payee
            ))
        })?;
    if lock.grace_seconds > approval.max_grace_seconds {
        return Err(CliError::failed(format!(
            "the owner approved a grace of at most {} seconds for this payee: choose one within",
            approval.max_grace_seconds
        )));
    }
    Ok(Some(address))
}

fn require_authority(escrow: &Escrow, signers: &Signers) -> Result<(), CliError> {
    let actor = signers.actor();
    if actor == escrow.owner || Some(actor) == escrow.manager {
        return Ok(());
    }
    let manager = escrow
        .manager
        .map_or_else(String::new, |key| format!(" or its manager {key}"));
    Err(CliError::failed(format!(
        "only the escrow's owner {}{manager} may do this, {actor} signs: name their key file with --keypair",
        escrow.owner
    )))
}

fn require_free(
    address: &Pubkey,
    escrow: &Escrow,
    balance: BaseUnits,
    amount: BaseUnits,
) -> Result<(), CliError> {
    let free = escrow.free(balance);
    if amount <= free {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the escrow has {} USDC free, the channel needs {}: send {} USDC to vault {}",
        Usdc(free),
        Usdc(amount),
        Usdc(amount.saturating_sub(free)),
        escrow.vault(address)
    )))
}

#[cfg(test)]
mod tests;
