//! Extends a program whose new bytecode is longer than its present space.

use std::time::Duration;

use farthing_chain::ProgramData;
use farthing_chain::loader::{
    MAX_BYTECODE_LENGTH, MINIMUM_EXTEND_PROGRAM_BYTES, extend_program, program_data_length,
};
use solana_commitment_config::CommitmentConfig;
use tokio::time::sleep;

use super::funds::priced;
use super::present::deployed;
use crate::commands::support::Signers;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Interval at which the slot is read while waiting for the next one.
const SLOT_INTERVAL: Duration = Duration::from_millis(100);
const MAX_SLOT_READS: usize = 600;

/// Number of bytes by which a program must be extended to have this space.
pub(super) fn extension(data: &ProgramData, space: usize) -> usize {
    let present = data.bytecode.len();
    let missing = space.saturating_sub(present);
    if missing == 0 {
        return 0;
    }
    // The loader requires a minimum extension, except if that would exceed the maximum length of an account.
    let least = usize::try_from(MINIMUM_EXTEND_PROGRAM_BYTES).unwrap_or(usize::MAX);
    missing
        .max(least)
        .min(MAX_BYTECODE_LENGTH.saturating_sub(present))
}

/// Rent that an extension by this number of bytes costs, in lamports.
pub(super) async fn extension_rent(
    connection: &Connection,
    data: &ProgramData,
    extension: usize,
) -> Result<u64, CliError> {
    if extension == 0 {
        return Ok(0);
    }
    let present = data.bytecode.len();
    let before = connection.chain.rent(program_data_length(present)).await?;
    let after = program_data_length(present + extension);
    Ok(connection.chain.rent(after).await?.saturating_sub(before))
}

/// Extends a program and waits for the next slot, because the loader changes a program at most once per slot. Anybody
/// may extend a program who pays for it.
pub(super) async fn extend(
    connection: &Connection,
    signers: &Signers,
    bytes: usize,
    price: u64,
    output: Output,
) -> Result<(), CliError> {
    if bytes == 0 {
        return Ok(());
    }
    let additional = u32::try_from(bytes)
        .map_err(|_| CliError::failed("the bytecode is longer than a program can be"))?;
    let program = connection.program();
    output.progress(format_args!("extending program {program} by {bytes} bytes"));
    let payer = signers.payer();
    let instruction = extend_program(program, Some(&payer), additional);
    let instructions = priced(price, vec![instruction]);
    let confirmed = CommitmentConfig::confirmed();
    let chain = &connection.chain;
    chain
        .send_and_confirm(&instructions, signers.payer_key(), &[], confirmed)
        .await?;
    let (data, _) = deployed(connection, confirmed).await?;
    for _ in 0..MAX_SLOT_READS {
        if chain.slot(confirmed).await? > data.slot {
            return Ok(());
        }
        sleep(SLOT_INTERVAL).await;
    }
    Err(CliError::failed(
        "the cluster produces no new slots: run the same command again when it does",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_what_is_missing_or_what_the_loader_asks_for() {
        let data = |space| ProgramData {
            slot: 0,
            authority: None,
            bytecode: vec![0; space],
        };
        let least = MINIMUM_EXTEND_PROGRAM_BYTES as usize;
        assert_eq!(extension(&data(100), 100), 0);
        assert_eq!(extension(&data(100), 99), 0);
        assert_eq!(extension(&data(100), 101), least);
        assert_eq!(extension(&data(100), 101 + least), least + 1);
        let almost = MAX_BYTECODE_LENGTH - 5;
        assert_eq!(extension(&data(almost), almost + 1), 5);
    }
}
