//! Checks of what is already on the chain: whether it exists, who may change it, and whether the program answers.

use std::path::Path;

use farthing_chain::rpc::Deployed;
use farthing_chain::{LoaderBuffer, ProgramData};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;

use super::bytecode::Bytecode;
use crate::connection::Connection;
use crate::error::CliError;

/// The system program, which owns wallets and the vaults of multisigs.
pub(super) const SYSTEM_PROGRAM: Pubkey = pubkey!("11111111111111111111111111111111");
/// Anchor's error code for an unknown instruction; it shows that the program runs.
const INSTRUCTION_FALLBACK_NOT_FOUND: u32 = 101;
/// Anchor's error code of a program that runs at another address than it was compiled for.
const DECLARED_PROGRAM_ID_MISMATCH: u32 = 4100;

/// Formats an authority for people.
pub(super) fn readable(authority: Option<Pubkey>) -> String {
    authority.map_or_else(|| "nobody".to_owned(), |key| key.to_string())
}

/// Reads the deployed program with its bytecode, and the lamports locked in it.
pub(super) async fn deployed(
    connection: &Connection,
    commitment: CommitmentConfig,
) -> Result<(ProgramData, u64), CliError> {
    let program = connection.program();
    match connection.chain.deployed(commitment).await? {
        Some(Deployed {
            data: Some(data),
            lamports,
        }) => Ok((data, lamports)),
        Some(Deployed { data: None, .. }) => Err(CliError::failed(format!(
            "program {program} was closed, and its address can never be used again: deploy at another one"
        ))),
        None => Err(CliError::failed(format!(
            "there is no program at {program} on {}: deploy it with `farthing program deploy`, or give another one \
            with --program",
            connection.cluster
        ))),
    }
}

/// Checks that the signer may change the program.
pub(super) fn require_authority(
    program: &Pubkey,
    data: &ProgramData,
    actor: &Pubkey,
) -> Result<(), CliError> {
    match data.authority {
        Some(authority) if authority == *actor => Ok(()),
        Some(authority) => Err(CliError::failed(format!(
            "only {authority} may change program {program}, but {actor} signs: give the key file of {authority} with \
            --keypair, or write a buffer for it with `farthing program buffer`"
        ))),
        None => Err(CliError::failed(format!(
            "program {program} is final, so that nobody can ever change it: deploy at another address, which users \
            then give with --program"
        ))),
    }
}

/// Refuses a new authority that is an account owned by another program than the system program. Such an account can
/// sign only if its program signs for it. A typical mistake is to give a multisig's settings instead of its vault.
pub(super) async fn require_wallet(connection: &Connection, new: &Pubkey) -> Result<(), CliError> {
    let confirmed = CommitmentConfig::confirmed();
    match connection.chain.owner(new, confirmed).await? {
        Some(owner) if owner != SYSTEM_PROGRAM => Err(CliError::failed(format!(
            "{new} is an account of program {owner}, which may be unable to sign for it; then nobody could ever \
            upgrade again: for a multisig, name the multisig's vault, or add --owned-by-program if that program does \
            sign for it"
        ))),
        _ => Ok(()),
    }
}

/// Reads a buffer; `None` if it does not exist.
pub(super) async fn read_buffer(
    connection: &Connection,
    address: &Pubkey,
) -> Result<Option<LoaderBuffer>, CliError> {
    let confirmed = CommitmentConfig::confirmed();
    Ok(connection.chain.loader_buffer(address, confirmed).await?)
}

/// The error for a buffer that does not exist.
pub(super) fn no_buffer(connection: &Connection, address: &Pubkey) -> CliError {
    CliError::failed(format!(
        "there is no buffer at {address} on {}: it was deployed or closed, or the address is wrong",
        connection.cluster
    ))
}

/// Checks that a buffer has the bytecode's length, and that the signer may write to it.
pub(super) fn require_usable(
    address: &Pubkey,
    buffer: &LoaderBuffer,
    actor: &Pubkey,
    bytecode: &Bytecode,
    key_file: &Path,
) -> Result<(), CliError> {
    let key_file = key_file.display();
    if buffer.authority != Some(*actor) {
        return Err(CliError::failed(format!(
            "buffer {address} of {key_file} belongs to {}, but {actor} signs: give its authority's key file with \
            --keypair, or another --buffer-keypair",
            readable(buffer.authority)
        )));
    }
    if buffer.bytecode.len() != bytecode.bytes().len() {
        return Err(CliError::failed(format!(
            "buffer {address} of {key_file} was made for {} bytes, the bytecode has {}: get its lamports back with \
            `farthing program close-buffer {address}`, then remove {key_file} or give another --buffer-keypair",
            buffer.bytecode.len(),
            bytecode.bytes().len(),
        )));
    }
    Ok(())
}

/// Checks that the program runs, and that it was compiled for its address.
pub(super) async fn require_answer(
    connection: &Connection,
    payer: &Pubkey,
) -> Result<(), CliError> {
    let program = connection.program();
    match connection.chain.probe(payer).await? {
        Some(INSTRUCTION_FALLBACK_NOT_FOUND) => Ok(()),
        Some(DECLARED_PROGRAM_ID_MISMATCH) => Err(CliError::failed(format!(
            "the bytecode is on the chain, but was compiled for another address than {program}, so that it refuses every call (DeclaredProgramIdMismatch, code {DECLARED_PROGRAM_ID_MISMATCH}): run `anchor keys sync`, build again and run this command again"
        ))),
        other => Err(CliError::failed(format!(
            "the bytecode is on the chain, but program {program} does not answer as Farthing does ({}): is this the right bytecode?",
            other.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"))
        ))),
    }
}
