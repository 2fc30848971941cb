//! Sends many transactions that may safely land in any order and more than once, such as the chunks of a program's
//! bytecode.
//!
//! Transactions that move money are sent by [`ChainClient::send_and_confirm`] instead, which never signs a second
//! transaction while the first may still land.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_message::{VersionedMessage, v0};
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, SIGNATURE_BYTES, Signature};
use solana_sdk::signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::{Instant, sleep};

use super::ChainClient;
use super::error::{ChainError, transaction_failed};
use super::send::distinct;

/// Number of transactions per blockhash. A node reports the status of 256 at once; this smaller number finishes well
/// within the blockhash's lifetime, even at a node that accepts only ten requests per second.
const ROUND: usize = 64;
/// Maximum number of in-flight requests to the node.
const CONCURRENCY: usize = 16;
/// Interval at which the transactions' statuses are read.
const POLL_INTERVAL: Duration = Duration::from_millis(400);
/// Interval at which transactions that have not landed are resent: leaders drop transactions under load.
const REBROADCAST_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of consecutive blockhashes that expire without any transaction landing.
const MAX_IDLE_ROUNDS: usize = 3;
/// Maximum number of consecutive failed status requests before the node counts as unreachable.
const MAX_FAILED_POLLS: usize = 50;

/// Maximum length of a transaction in bytes.
const PACKET_BYTES: usize = 1_232;
/// Length of the number of signatures in a transaction, which is below 128.
const COUNT_BYTES: usize = 1;

/// Transactions that are independent of each other and may be repeated.
pub struct Batch<'a> {
    /// The instructions of each transaction.
    pub transactions: Vec<Vec<Instruction>>,
    /// Pays the fees; signs.
    pub fee_payer: &'a Keypair,
    /// Further signers; may contain the fee payer and duplicates.
    pub signers: &'a [&'a Keypair],
}

/// A signed transaction of a round, with its place in the batch.
struct Signed {
    index: usize,
    transaction: VersionedTransaction,
}

/// Outcome of the transactions under one blockhash.
struct Round {
    /// Transactions that had not landed when the blockhash expired.
    left: Vec<Signed>,
    /// The error with which the node refused one of them, if it did.
    refusal: Option<ChainError>,
}

impl Signed {
    fn signature(&self) -> Signature {
        self.transaction.signatures[0]
    }
}

/// Number of bytes of data that can be added to the last of these instructions before their transaction is too long.
///
/// # Errors
/// [`ChainError::Unsignable`] if it cannot be built.
pub fn room_for_data(
    fee_payer: &Pubkey,
    instructions: &[Instruction],
) -> Result<usize, ChainError> {
    let message = v0::Message::try_compile(fee_payer, instructions, &[], Hash::default())
        .map_err(|error| ChainError::Unsignable(error.to_string()))?;
    let signatures = usize::from(message.header.num_required_signatures) * SIGNATURE_BYTES;
    let length = COUNT_BYTES + signatures + VersionedMessage::V0(message).serialize().len();
    // The encoded length of the data may become longer by a byte.
    Ok(PACKET_BYTES.saturating_sub(length + 1))
}

impl Batch<'_> {
    fn sign(&self, index: usize, blockhash: Hash) -> Result<Signed, ChainError> {
        let unsignable = |error: &dyn Display| ChainError::Unsignable(error.to_string());
        let payer = self.fee_payer.pubkey();
        let instructions = &self.transactions[index];
        let message = v0::Message::try_compile(&payer, instructions, &[], blockhash)
            .map_err(|error| unsignable(&error))?;
        let transaction = VersionedTransaction::try_new(
            VersionedMessage::V0(message),
            &distinct(self.fee_payer, self.signers),
        )
        .map_err(|error| unsignable(&error))?;
        Ok(Signed { index, transaction })
    }
}

impl ChainClient {
    /// Sends all transactions of the batch, and resends them with new blockhashes where necessary, until each is
    /// confirmed. Calls `progress` with the number of confirmed transactions.
    ///
    /// To resume after an error, call this again with the transactions that have not landed: the caller must be able to
    /// find out which have.
    ///
    /// # Errors
    /// [`ChainError::Failed`] and [`ChainError::Refused`] if a transaction cannot succeed; the node's error, or else
    /// [`ChainError::Expired`], if several consecutive blockhashes expire without any transaction landing;
    /// [`ChainError::Rpc`] if the node fails. Any number of transactions may have landed before the error.
    pub async fn send_many(
        &self,
        batch: &Batch<'_>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), ChainError> {
        let mut waiting: VecDeque<usize> = (0..batch.transactions.len()).collect();
        let mut idle_rounds = 0;
        while !waiting.is_empty() {
            let round: Vec<usize> = waiting.drain(..ROUND.min(waiting.len())).collect();
            let attempted = round.len();
            let Round { left, refusal } = self.send_round(batch, &round).await?;
            idle_rounds = if left.len() < attempted {
                0
            } else {
                idle_rounds + 1
            };
            if let Some(last) = left.first()
                && idle_rounds == MAX_IDLE_ROUNDS
            {
                return Err(refusal.unwrap_or(ChainError::Expired {
                    signature: last.signature(),
                }));
            }
            waiting.extend(left.iter().map(|signed| signed.index));
            progress(batch.transactions.len() - waiting.len());
        }
        Ok(())
    }

    /// Sends the transactions at `indices` under one blockhash, until all have landed or the blockhash expires.
    async fn send_round(&self, batch: &Batch<'_>, indices: &[usize]) -> Result<Round, ChainError> {
        let (blockhash, last_valid_block_height) = self
            .rpc
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.endpoint.error("read a blockhash", error))?;
        let mut pending = indices
            .iter()
            .map(|&index| batch.sign(index, blockhash))
            .collect::<Result<Vec<_>, _>>()?;
        let mut failed_polls = 0;
        let mut refusal = self.send_each(&pending).await;
        let mut sent = Instant::now();
        while !pending.is_empty() {
            // Read the height before the statuses: a transaction that is absent after its blockhash expired cannot
            // land.
            let polled = match self.confirmed_height().await {
                Ok(height) => self.keep_unconfirmed(&mut pending).await.map(|()| height),
                Err(error) => Err(error),
            };
            match polled {
                Ok(height) if height > last_valid_block_height => break,
                Ok(_) => failed_polls = 0,
                Err(error @ ChainError::Rpc { .. }) if failed_polls < MAX_FAILED_POLLS => {
                    failed_polls += 1;
                    tracing::debug!(%error, "cannot poll the transactions, retrying");
                }
                Err(error) => return Err(error),
            }
            if sent.elapsed() >= REBROADCAST_INTERVAL {
                refusal = self.send_each(&pending).await;
                sent = Instant::now();
            }
            if !pending.is_empty() {
                sleep(POLL_INTERVAL).await;
            }
        }
        Ok(Round {
            left: pending,
            refusal,
        })
    }

    /// Sends each transaction once, and returns an error of the node if there was one. Whether a transaction landed is
    /// decided by its status alone.
    async fn send_each(&self, transactions: &[Signed]) -> Option<ChainError> {
        // Skip the node's preflight, which may simulate against a bank that does not have the buffer yet.
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            preflight_commitment: Some(CommitmentLevel::Confirmed),
            ..RpcSendTransactionConfig::default()
        };
        let sends = stream::iter(transactions).map(|signed| async move {
            let sent = self
                .rpc
                .send_transaction_with_config(&signed.transaction, config)
                .await;
            let error = self.endpoint.error("send a transaction", sent.err()?);
            tracing::debug!(%error, signature = %signed.signature(), "cannot send a transaction, will retry");
            Some(error)
        });
        sends
            .buffer_unordered(CONCURRENCY)
            .fold(None, async |last, error| error.or(last))
            .await
    }

    async fn keep_unconfirmed(&self, pending: &mut Vec<Signed>) -> Result<(), ChainError> {
        let signatures: Vec<Signature> = pending.iter().map(Signed::signature).collect();
        let statuses = self
            .rpc
            .get_signature_statuses(&signatures)
            .await
            .map_err(|error| self.endpoint.error("read the transactions' status", error))?;
        let mut statuses = statuses.value.into_iter();
        let mut kept = Vec::new();
        for signed in pending.drain(..) {
            match statuses.next().flatten() {
                Some(status) => match status.err.clone() {
                    None if status.satisfies_commitment(CommitmentConfig::confirmed()) => {}
                    None => kept.push(signed),
                    Some(error) => return Err(transaction_failed(error, Vec::new())),
                },
                None => kept.push(signed),
            }
        }
        *pending = kept;
        Ok(())
    }

    async fn confirmed_height(&self) -> Result<u64, ChainError> {
        self.rpc
            .get_block_height_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.endpoint.error("read the block height", error))
    }
}
