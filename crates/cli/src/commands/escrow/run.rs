//! Implementation of `farthing escrow`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_chain::instructions::{
    CloseEscrow, CreateEscrow, Withdraw, close_escrow, create_escrow, create_token_account,
    transfer_to_vault, withdraw,
};
use farthing_chain::keys::read_keypair;
use farthing_chain::{Escrow, associated_token_address, escrow_address};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use super::report::{Closed, Created, Funded, Status, Unsigned, Withdrawn};
use crate::commands::escrow::args::EscrowCommand;
use crate::commands::escrow::args::{
    CloseEscrowArgs, CreateEscrowArgs, EscrowStatusArgs, FundEscrowArgs, WithdrawArgs,
};
use crate::commands::support::{self, Signers};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Runs `farthing escrow`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(command: EscrowCommand, output: Output) -> Result<(), CliError> {
    match command {
        EscrowCommand::Create(args) => create(args, output).await,
        EscrowCommand::Fund(args) => fund(args, output).await,
        EscrowCommand::Status(args) => status(args, output).await,
        EscrowCommand::Withdraw(args) => withdraw_free(args, output).await,
        EscrowCommand::Close(args) => close(args, output).await,
    }
}

async fn create(args: CreateEscrowArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let token = connection.token(args.mint).await?;
    let owner = signers.actor();
    let (address, _) = escrow_address(connection.program(), &owner, &token.mint, args.id);
    let existing = connection
        .chain
        .escrow(&address, CommitmentConfig::confirmed())
        .await?;
    if existing.is_some() {
        return Err(CliError::failed(format!(
            "escrow {} of {owner} exists already at {address}: fund it with \
             `farthing escrow fund {address}`, or create another one with another --id",
            args.id
        )));
    }
    let input = CreateEscrow {
        owner,
        rent_payer: signers.payer(),
        token,
        escrow_id: args.id,
    };
    let instruction = create_escrow(connection.program(), &input);
    let transaction = signers.send(&connection, &[instruction], output).await?;
    output.report(&Created {
        escrow: address.to_string(),
        vault: associated_token_address(&address, &token).to_string(),
        owner: owner.to_string(),
        mint: token.mint.to_string(),
        transaction: transaction.to_string(),
    })
}

async fn fund(args: FundEscrowArgs, output: Output) -> Result<(), CliError> {
    let keypair = args.keypair.as_deref().map(read_keypair).transpose()?;
    let wallet = args
        .unsigned_for
        .or(keypair.as_ref().map(Signer::pubkey))
        .ok_or_else(|| {
            CliError::usage("give the key file of the wallet that sends the funds with --keypair")
        })?;
    let connection = Connection::open(&args.chain).await?;
    let escrow = support::escrow(&connection, &args.escrow).await?;
    let source = args
        .from
        .unwrap_or_else(|| associated_token_address(&wallet, &escrow.token()));
    require_balance(&connection, &source, args.amount).await?;
    let vault = escrow.vault(&args.escrow);
    let transfer = transfer_to_vault(&wallet, &source, &escrow.token(), &vault, args.amount);
    let signers = match (args.unsigned_for, keypair) {
        (None, Some(keypair)) => Signers::one(keypair),
        _ => {
            let transaction = connection
                .chain
                .unsigned_transaction(&[transfer], &wallet)
                .await?;
            return output.report(&Unsigned {
                transaction_base64: STANDARD.encode(transaction),
                signer: wallet.to_string(),
                vault: vault.to_string(),
                amount: args.amount.0,
            });
        }
    };
    let transaction = signers.send(&connection, &[transfer], output).await?;
    let balance = support::balance(&connection, &vault).await?;
    output.report(&Funded {
        escrow: args.escrow.to_string(),
        vault: vault.to_string(),
        amount: args.amount.0,
        free: escrow.free(balance).0,
        transaction: transaction.to_string(),
    })
}

async fn require_balance(
    connection: &Connection,
    source: &Pubkey,
    amount: BaseUnits,
) -> Result<(), CliError> {
    let balance = support::balance(connection, source).await?;
    if balance >= amount {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "token account {source} holds {} USDC, but {} is needed: send {} USDC there, or give another account with \
        --from",
        Usdc(balance),
        Usdc(amount),
        Usdc(amount.saturating_sub(balance)),
    )))
}

async fn status(args: EscrowStatusArgs, output: Output) -> Result<(), CliError> {
    let connection = Connection::open(&args.chain).await?;
    let address = match (args.escrow, args.owner) {
        (Some(address), _) => address,
        (None, Some(owner)) => {
            let mint = connection.mint(args.mint)?;
            escrow_address(connection.program(), &owner, &mint, args.id).0
        }
        (None, None) => {
            return Err(CliError::usage(
                "give the escrow's address, or its owner with --owner",
            ));
        }
    };
    let escrow = support::escrow(&connection, &address).await?;
    let vault = escrow.vault(&address);
    let balance = support::balance(&connection, &vault).await?;
    let authority = connection
        .chain
        .upgrade_authority(CommitmentConfig::confirmed())
        .await?;
    output.report(&Status::new(
        &connection,
        &address,
        &escrow,
        balance,
        authority,
    ))
}

async fn withdraw_free(args: WithdrawArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let escrow = support::escrow(&connection, &args.escrow).await?;
    require_owner(&escrow, &signers)?;
    let balance = support::balance(&connection, &escrow.vault(&args.escrow)).await?;
    let free = escrow.free(balance);
    // Without --amount, --all was given.
    let amount = args.amount.unwrap_or(free);
    if amount > free || free == BaseUnits::ZERO {
        return Err(CliError::failed(format!(
            "the escrow has {} USDC free and {} locked in {} channels: withdraw at most what is free, or close channels first",
            Usdc(free),
            Usdc(escrow.allocated),
            escrow.open_channels,
        )));
    }
    let owner_account = associated_token_address(&escrow.owner, &escrow.token());
    let destination = args.to.unwrap_or(owner_account);
    let mut instructions = Vec::with_capacity(2);
    if destination == owner_account {
        let create = create_token_account(&signers.payer(), &escrow.owner, &escrow.token());
        instructions.push(create);
    }
    let input = Withdraw {
        owner: escrow.owner,
        escrow: args.escrow,
        token: escrow.token(),
        destination,
        amount,
    };
    instructions.push(withdraw(connection.program(), &input));
    let transaction = signers.send(&connection, &instructions, output).await?;
    output.report(&Withdrawn {
        escrow: args.escrow.to_string(),
        destination: destination.to_string(),
        amount: amount.0,
        free: free.saturating_sub(amount).0,
        transaction: transaction.to_string(),
    })
}

async fn close(args: CloseEscrowArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let escrow = support::escrow(&connection, &args.escrow).await?;
    if escrow.open_channels > 0 {
        return Err(CliError::failed(format!(
            "the escrow has {} open channels with {} USDC: close them first with `farthing channel request-close`",
            escrow.open_channels,
            Usdc(escrow.allocated),
        )));
    }
    let balance = support::balance(&connection, &escrow.vault(&args.escrow)).await?;
    let mut instructions = Vec::with_capacity(2);
    let destination = (balance > BaseUnits::ZERO)
        .then(|| associated_token_address(&escrow.owner, &escrow.token()));
    if destination.is_some() {
        require_owner(&escrow, &signers)?;
        let create = create_token_account(&signers.payer(), &escrow.owner, &escrow.token());
        instructions.push(create);
    }
    let input = CloseEscrow {
        authority: signers.actor(),
        escrow: args.escrow,
        rent_payer: escrow.rent_payer,
        token: escrow.token(),
        destination,
    };
    instructions.push(close_escrow(connection.program(), &input));
    let transaction = signers.send(&connection, &instructions, output).await?;
    output.report(&Closed {
        escrow: args.escrow.to_string(),
        returned: balance.0,
        destination: destination.map(|account| account.to_string()),
        transaction: transaction.to_string(),
    })
}

fn require_owner(escrow: &Escrow, signers: &Signers) -> Result<(), CliError> {
    if escrow.owner == signers.actor() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "only the escrow's owner {} may do this, but {} signs: give the owner's key file with --keypair",
        escrow.owner,
        signers.actor()
    )))
}
