//! Implementation of `farthing program`.

use farthing_chain::BytecodeHash;
use farthing_chain::loader::{close, set_buffer_authority, set_upgrade_authority};
use solana_commitment_config::CommitmentConfig;

use super::buffer::BufferPlan;
use super::bytecode::Bytecode;
use super::extension::{extend, extension, extension_rent};
use super::funds::Funds;
use super::funds::priced;
use super::present::{
    deployed, no_buffer, read_buffer, readable, require_authority, require_wallet,
};
use super::report::{AuthoritySet, BufferClosed, BufferWritten, Verified, VerifiedBuffer};
use crate::commands::program::args::ProgramCommand;
use crate::commands::program::args::{BufferArgs, CloseBufferArgs, SetAuthorityArgs, VerifyArgs};
use crate::commands::support::Signers;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Runs `farthing program`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(command: ProgramCommand, output: Output) -> Result<(), CliError> {
    match command {
        ProgramCommand::Deploy(args) => super::deploy::run(args, output).await,
        ProgramCommand::Buffer(args) => hand_over_buffer(args, output).await,
        ProgramCommand::Verify(args) => verify(args, output).await,
        ProgramCommand::SetAuthority(args) => set_authority(args, output).await,
        ProgramCommand::CloseBuffer(args) => close_buffer(args, output).await,
    }
}

async fn hand_over_buffer(args: BufferArgs, output: Output) -> Result<(), CliError> {
    let bytecode = Bytecode::read(&args.write.bytecode)?;
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let program = *connection.program();
    bytecode.require_address(&program)?;
    let (data, _) = deployed(&connection, CommitmentConfig::confirmed()).await?;
    let authority = match (args.authority, data.authority) {
        (Some(named), Some(present)) if named != present => {
            return Err(CliError::failed(format!(
                "only {present} may change program {program}, and only from a buffer that it owns: leave out \
                --authority"
            )));
        }
        (_, Some(present)) => present,
        (_, None) => return require_authority(&program, &data, &signers.actor()),
    };
    let price = args.write.compute_unit_price;
    let key_file = &args.write.buffer_keypair;
    let plan = BufferPlan::new(&connection, &signers, &bytecode, key_file, price).await?;
    let extended_by = extension(&data, bytecode.bytes().len());
    let mut funds = plan.funds().await?;
    funds.rent += extension_rent(&connection, &data, extended_by).await?;
    // Two more transactions: extending the program and transferring the buffer.
    funds.fees += Funds::fees(2, 2, price);
    funds.require(&connection, &signers.payer()).await?;
    let written = plan.write(output).await?;
    let transaction = set_buffer_authority(&written.address, &signers.actor(), &authority);
    let transaction = priced(price, vec![transaction]);
    extend(&connection, &signers, extended_by, price, output).await?;
    let transaction = signers.send(&connection, &transaction, output).await?;
    super::deploy::remove_key(key_file, output);
    output.report(&BufferWritten {
        buffer: written.address.to_string(),
        authority: authority.to_string(),
        program: program.to_string(),
        hash: bytecode.hash().to_string(),
        chunks_written: written.chunks_written,
        chunks: written.chunks,
        extended_by,
        transaction: transaction.to_string(),
    })
}

async fn verify(args: VerifyArgs, output: Output) -> Result<(), CliError> {
    let expected = match args.hash {
        Some(hash) => hash,
        None => Bytecode::read(&args.bytecode)?.hash(),
    };
    let connection = Connection::open(&args.chain).await?;
    let found = match args.buffer {
        Some(address) => {
            let buffer = read_buffer(&connection, &address).await?;
            let buffer = buffer.ok_or_else(|| no_buffer(&connection, &address))?;
            output.report(&VerifiedBuffer {
                buffer: address.to_string(),
                authority: buffer.authority.map(|key| key.to_string()),
                hash: buffer.hash().to_string(),
                expected_hash: expected.to_string(),
                equal: buffer.hash() == expected,
            })?;
            buffer.hash()
        }
        None => {
            // Finalized, because a state that may still be rolled back must not be reported as verified.
            let (data, _) = deployed(&connection, CommitmentConfig::finalized()).await?;
            output.report(&Verified {
                program: connection.program().to_string(),
                program_data: connection.chain.program_data_address().to_string(),
                cluster: connection.cluster.clone(),
                slot: data.slot,
                upgrade_authority: data.authority.map(|key| key.to_string()),
                hash: data.hash().to_string(),
                expected_hash: expected.to_string(),
                equal: data.hash() == expected,
            })?;
            data.hash()
        }
    };
    require_equal(found, expected)
}

fn require_equal(found: BytecodeHash, expected: BytecodeHash) -> Result<(), CliError> {
    if found == expected {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the chain has {found}, the build is {expected}: do not trust it until you know why they differ"
    )))
}

async fn set_authority(args: SetAuthorityArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let program = *connection.program();
    let (data, _) = deployed(&connection, CommitmentConfig::confirmed()).await?;
    require_authority(&program, &data, &signers.actor())?;
    match args.new {
        Some(new) if !args.owned_by_program => require_wallet(&connection, &new).await?,
        Some(_) => {}
        None if args.confirm == Some(program) => {}
        None => {
            return Err(CliError::usage(format!(
                "after this nobody can ever upgrade program {program} again: if you mean that, confirm it with \
                --confirm {program}"
            )));
        }
    }
    let instruction = set_upgrade_authority(&program, &signers.actor(), args.new.as_ref());
    let transaction = signers.send(&connection, &[instruction], output).await?;
    output.report(&AuthoritySet {
        program: program.to_string(),
        upgrade_authority: args.new.map(|key| key.to_string()),
        former: signers.actor().to_string(),
        transaction: transaction.to_string(),
    })
}

async fn close_buffer(args: CloseBufferArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let buffer = read_buffer(&connection, &args.buffer).await?;
    let buffer = buffer.ok_or_else(|| no_buffer(&connection, &args.buffer))?;
    if buffer.authority != Some(signers.actor()) {
        return Err(CliError::failed(format!(
            "buffer {} belongs to {}, but {} signs: give its authority's key file with --keypair",
            args.buffer,
            readable(buffer.authority),
            signers.actor()
        )));
    }
    let instruction = close(&args.buffer, &signers.payer(), &signers.actor());
    let transaction = signers.send(&connection, &[instruction], output).await?;
    output.report(&BufferClosed {
        buffer: args.buffer.to_string(),
        returned: buffer.lamports,
        to: signers.payer().to_string(),
        transaction: transaction.to_string(),
    })
}
