//! Writing bytecode into a buffer of the loader, in chunks of a transaction each, so that an interrupted
//! run is continued and not repeated.
//!
//! The chain is the only record of what has been written: a run reads the buffer, writes the chunks that
//! differ, and reads it again until none does.

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

/// How often the buffer is read and what differs is written. The second time nothing should be left,
/// unless the node that reads is behind the one that wrote.
const MAX_PASSES: usize = 5;
/// How often a node is asked for what it should have.
const MAX_READS: usize = 10;
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// A buffer that is to hold some bytecode.
pub struct BufferPlan<'a> {
    connection: &'a Connection,
    signers: &'a Signers,
    bytecode: &'a Bytecode,
    compute_unit_price: u64,
    key_file: PathBuf,
    /// `None` until the buffer is created: a refused command leaves no key behind.
    key: Option<Keypair>,
    existing: Option<LoaderBuffer>,
    chunk_length: usize,
}

/// A buffer whose bytes are the bytecode's.
#[derive(Debug)]
pub struct Written {
    /// Its address.
    pub address: Pubkey,
    /// The transactions that wrote something.
    pub chunks_written: usize,
    /// Of how many.
    pub chunks: usize,
}

impl<'a> BufferPlan<'a> {
    /// Looks at what is there. Whoever acts is the buffer's authority.
    ///
    /// # Errors
    /// [`CliError`] if the buffer of the key file is not one that this bytecode can be written to.
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
        // Any address: all are of one length.
        let empty = plan.chunk(&Pubkey::new_from_array([1; 32]), 0..0)?;
        plan.chunk_length = room_for_data(&signers.payer(), &empty)?;
        Ok(plan)
    }

    /// What the buffer holds when it is complete.
    ///
    /// # Errors
    /// [`CliError::Chain`].
    pub async fn lamports(&self) -> Result<u64, CliError> {
        match &self.existing {
            Some(buffer) => Ok(buffer.lamports),
            None => Ok(self.connection.chain.rent(self.account_length()).await?),
        }
    }

    /// What is still to be paid for it.
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
        // Creating it is signed by its own key too.
        let creation = Funds::fees(1, signatures + 1, self.compute_unit_price);
        Ok(Funds {
            rent,
            fees: chunks + creation,
        })
    }

    /// Writes what is missing, and returns when the chain has all of it.
    ///
    /// # Errors
    /// [`CliError`]; the same command continues.
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
            "buffer {address} does not hold what was written to it: run the same command again, perhaps at another node"
        )))
    }

    /// The buffer that was written to, which a node that is behind may not have yet.
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
            "creating buffer {}, whose key is {}: run the same command again if this one is interrupted",
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
            // The message says that nothing happened, which holds for one transaction and not for all.
            ChainError::Expired { .. } => CliError::failed(format!(
                "no transaction lands any more: run the same command again, it continues with {}; a higher --compute-unit-price or another node may help",
                self.key_file.display()
            )),
            error => error.into(),
        }
    }

    /// The transaction that writes a part of the bytecode.
    fn chunk(&self, address: &Pubkey, range: Range<usize>) -> Result<Vec<Instruction>, CliError> {
        let offset = u32::try_from(range.start)
            .map_err(|_| CliError::failed("the bytecode is longer than a buffer can be"))?;
        let bytes = self.bytecode.bytes()[range].to_vec();
        let instruction = write(address, &self.signers.actor(), offset, bytes);
        Ok(priced(self.compute_unit_price, vec![instruction]))
    }

    /// The parts of the bytecode that are not in the buffer. A new one is all zeros.
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
