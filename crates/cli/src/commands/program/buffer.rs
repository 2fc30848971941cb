//! Writes bytecode to a buffer of the loader, one chunk per transaction, so that an interrupted run can be continued
//! instead of being repeated.
//!
//! The chain is the only record of what has been written: a run reads the buffer, writes the chunks that differ, and
//! reads it again until none differ.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farthing_chain::keys::{KeyFileError, generate_keypair, read_keypair};
use farthing_chain::loader::{buffer_length, create_buffer, write};
use farthing_chain::rpc::{Batch, room_for_data};
use farthing_chain::{ChainError, LoaderBuffer};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::time::sleep;

use super::bytecode::Bytecode;
use super::funds::Funds;
use super::funds::priced;
use super::present::{read_buffer, require_usable};
use crate::commands::support::Signers;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Maximum number of passes that read the buffer and write the chunks that differ. Nothing should be left to write in
/// the second pass, unless the node that reads lags behind the one that wrote.
const MAX_PASSES: usize = 5;
/// Maximum number of reads until the node shows the buffer.
const MAX_READS: usize = 10;
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// A buffer that bytecode is to be written to.
pub struct BufferPlan<'a> {
    connection: &'a Connection,
    signers: &'a Signers,
    bytecode: &'a Bytecode,
    compute_unit_price: u64,
    key_file: PathBuf,
    /// The buffer's key; `None` if its file does not exist yet. It is generated only when the buffer is created, so
    /// that a refused command leaves no key file behind.
    key: Option<Keypair>,
    existing: Option<LoaderBuffer>,
    chunk_length: usize,
}

/// A buffer that contains the whole bytecode.
#[derive(Debug)]
pub struct Written {
    /// Address of the buffer.
    pub address: Pubkey,
    /// Number of chunks that were written in this run.
    pub chunks_written: usize,
    /// Number of chunks of the bytecode.
    pub chunks: usize,
}

impl<'a> BufferPlan<'a> {
    /// Reads the buffer of the key file, if there is one. The signer is the buffer's authority.
    ///
    /// # Errors
    /// [`CliError`] if this bytecode cannot be written to the buffer of the key file.
    pub async fn new(
        connection: &'a Connection,
        signers: &'a Signers,
        bytecode: &'a Bytecode,
        key_file: &Path,
        compute_unit_price: u64,
    ) -> Result<Self, CliError> {
        let key = match read_keypair(key_file) {
            Ok(key) => Some(key),
            Err(KeyFileError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let existing = match &key {
            Some(key) => read_buffer(connection, &key.pubkey()).await?,
            None => None,
        };
        if let (Some(key), Some(buffer)) = (&key, &existing) {
            require_usable(&key.pubkey(), buffer, &signers.actor(), bytecode, key_file)?;
        }
        let mut plan = Self {
            connection,
            signers,
            bytecode,
            compute_unit_price,
            key_file: key_file.to_owned(),
            key,
            existing,
            chunk_length: 0,
        };
        // The address does not matter here, because all have the same length.
        let empty = plan.chunk(&Pubkey::new_from_array([1; 32]), 0..0)?;
        plan.chunk_length = room_for_data(&signers.payer(), &empty)?;
        Ok(plan)
    }

    /// Lamports of the buffer once it exists.
    ///
    /// # Errors
    /// [`CliError::Chain`].
    pub async fn lamports(&self) -> Result<u64, CliError> {
        match &self.existing {
            Some(buffer) => Ok(buffer.lamports),
            None => Ok(self.connection.chain.rent(self.account_length()).await?),
        }
    }

    /// Rent and fees that are still to be paid for the buffer.
    ///
    /// # Errors
    /// [`CliError::Chain`].
    pub async fn funds(&self) -> Result<Funds, CliError> {
        let rent = match &self.existing {
            Some(_) => 0,
            None => self.lamports().await?,
        };
        let transactions = self.missing(self.existing.as_ref()).len();
        let signatures = 1 + u64::from(self.signers.payer() != self.signers.actor());
        let chunks = Funds::fees(transactions, signatures, self.compute_unit_price);
        // The transaction that creates the buffer is signed by the buffer's key as well.
        let creation = Funds::fees(1, signatures + 1, self.compute_unit_price);
        Ok(Funds {
            rent,
            fees: chunks + creation,
        })
    }

    /// Writes the missing chunks, and returns when the chain has all of them.
    ///
    /// # Errors
    /// [`CliError`]; running the same command again continues.
    pub async fn write(mut self, output: Output) -> Result<Written, CliError> {
        let key = match self.key.take() {
            Some(key) => key,
            None => generate_keypair(&self.key_file)?,
        };
        let address = key.pubkey();
        let mut buffer = self.existing.take();
        if buffer.is_none() {
            self.create(&key, output).await?;
        }
        let mut chunks_written = 0;
        for _ in 0..MAX_PASSES {
            let missing = self.missing(buffer.as_ref());
            if buffer.is_some() && missing.is_empty() {
                return Ok(Written {
                    address,
                    chunks_written,
                    chunks: self.bytecode.bytes().len().div_ceil(self.chunk_length),
                });
            }
            chunks_written += missing.len();
            self.send(&address, missing, output).await?;
            buffer = Some(self.read_back(&address).await?);
        }
        Err(CliError::failed(format!(
            "the node does not show all chunks that were written to buffer {address}: run the same command again, if \
            necessary with another node"
        )))
    }

    /// Reads the buffer after writing to it, with retries, because a node that lags behind may not show it yet.
    async fn read_back(&self, address: &Pubkey) -> Result<LoaderBuffer, CliError> {
        for _ in 0..MAX_READS {
            if let Some(buffer) = read_buffer(self.connection, address).await? {
                return Ok(buffer);
            }
            sleep(READ_INTERVAL).await;
        }
        Err(CliError::failed(format!(
            "buffer {address} was created, but the node does not show it: run the same command again"
        )))
    }

    async fn create(&self, key: &Keypair, output: Output) -> Result<(), CliError> {
        output.progress(format_args!(
            "creating buffer {} with key file {}: if this run is interrupted, run the same command again to continue",
            key.pubkey(),
            self.key_file.display()
        ));
        let chain = &self.connection.chain;
        let rent = chain.rent(self.account_length()).await?;
        let instructions = create_buffer(
            &self.signers.payer(),
            &key.pubkey(),
            &self.signers.actor(),
            rent,
            self.bytecode.bytes().len(),
        )
        .map_err(|error| CliError::failed(error.to_string()))?;
        let instructions = priced(self.compute_unit_price, instructions);
        chain
            .send_and_confirm(
                &instructions,
                self.signers.payer_key(),
                &[key],
                CommitmentConfig::confirmed(),
            )
            .await?;
        Ok(())
    }

    async fn send(
        &self,
        address: &Pubkey,
        missing: Vec<Range<usize>>,
        output: Output,
    ) -> Result<(), CliError> {
        let total = missing.len();
        let transactions = missing
            .into_iter()
            .map(|range| self.chunk(address, range))
            .collect::<Result<_, _>>()?;
        let batch = Batch {
            transactions,
            fee_payer: self.signers.payer_key(),
            signers: &[self.signers.actor_key()],
        };
        output.progress(format_args!("writing {total} chunks to buffer {address}"));
        self.connection
            .chain
            .send_many(&batch, |landed| {
                output.progress(format_args!("{landed} of {total} chunks written"));
            })
            .await
            .map_err(|error| self.interrupted(error))
    }

    fn interrupted(&self, error: ChainError) -> CliError {
        match error {
            // The error's own message says that nothing happened, which is not true for a batch of transactions.
            ChainError::Expired { .. } => CliError::failed(format!(
                "the remaining transactions do not land: run the same command again to continue with {}; a higher \
                --compute-unit-price or another node may help",
                self.key_file.display()
            )),
            error => error.into(),
        }
    }

    /// The instructions of the transaction that writes one chunk of the bytecode.
    fn chunk(&self, address: &Pubkey, range: Range<usize>) -> Result<Vec<Instruction>, CliError> {
        let offset = u32::try_from(range.start)
            .map_err(|_| CliError::failed("the bytecode is longer than a buffer can be"))?;
        let bytes = self.bytecode.bytes()[range].to_vec();
        let instruction = write(address, &self.signers.actor(), offset, bytes);
        Ok(priced(self.compute_unit_price, vec![instruction]))
    }

    /// The chunks of the bytecode that are missing from the buffer. A new buffer is all zeros.
    fn missing(&self, buffer: Option<&LoaderBuffer>) -> Vec<Range<usize>> {
        let bytes = self.bytecode.bytes();
        (0..bytes.len())
            .step_by(self.chunk_length)
            .map(|start| start..bytes.len().min(start + self.chunk_length))
            .filter(|range| {
                let expected = &bytes[range.clone()];
                match buffer {
                    Some(buffer) => buffer.bytecode.get(range.clone()) != Some(expected),
                    None => expected.iter().any(|byte| *byte != 0),
                }
            })
            .collect()
    }

    fn account_length(&self) -> usize {
        buffer_length(self.bytecode.bytes().len())
    }
}
