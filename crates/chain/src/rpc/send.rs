//! Sends a transaction until it has reached the requested commitment, or is certain never to land.

use std::time::Duration;

use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_message::{VersionedMessage, v0};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, SIGNATURE_BYTES, Signature};
use solana_sdk::signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::{Instant, sleep};

use super::ChainClient;
use super::error::{ChainError, transaction_failed};

/// Interval at which the transaction's status is read.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Interval at which the transaction is resent: leaders drop transactions under load.
const REBROADCAST_INTERVAL: Duration = Duration::from_secs(2);

impl ChainClient {
    /// Builds, signs and sends a transaction and waits until it has reached `commitment`.
    ///
    /// `fee_payer` signs too; `signers` may repeat it or each other, since one key often has several
    /// roles.
    ///
    /// # Errors
    /// [`ChainError::Refused`] and [`ChainError::Failed`] if the transaction cannot succeed, [`ChainError::Expired`] if
    /// it did not land and never will, [`ChainError::Rpc`] if the node fails before the outcome is known.
    pub async fn send_and_confirm(
        &self,
        instructions: &[Instruction],
        fee_payer: &Keypair,
        signers: &[&Keypair],
        commitment: CommitmentConfig,
    ) -> Result<Signature, ChainError> {
        let (blockhash, last_valid_block_height) = self
            .rpc
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.endpoint.error("read a blockhash", error))?;
        let message = v0::Message::try_compile(&fee_payer.pubkey(), instructions, &[], blockhash)
            .map_err(|error| ChainError::Unsignable(error.to_string()))?;
        let transaction = VersionedTransaction::try_new(
            VersionedMessage::V0(message),
            &distinct(fee_payer, signers),
        )
        .map_err(unsignable)?;
        self.broadcast(&transaction, last_valid_block_height, commitment)
            .await
    }

    /// Like [`Self::send_and_confirm`], but waits until the transaction is finalized and no fork can undo it.
    ///
    /// # Errors
    /// Those of [`Self::send_and_confirm`].
    pub async fn send_and_finalize(
        &self,
        instructions: &[Instruction],
        fee_payer: &Keypair,
        signers: &[&Keypair],
    ) -> Result<Signature, ChainError> {
        let finalized = CommitmentConfig::finalized();
        self.send_and_confirm(instructions, fee_payer, signers, finalized)
            .await
    }

    /// The bytes of a transaction with empty signatures, for a wallet elsewhere to sign and send within
    /// about a minute.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], or [`ChainError::Unsignable`] if the transaction cannot be built.
    pub async fn unsigned_transaction(
        &self,
        instructions: &[Instruction],
        fee_payer: &Pubkey,
    ) -> Result<Vec<u8>, ChainError> {
        let (blockhash, _) = self
            .rpc
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.endpoint.error("read a blockhash", error))?;
        let message = v0::Message::try_compile(fee_payer, instructions, &[], blockhash)
            .map_err(unsignable)?;
        let signatures = message.header.num_required_signatures;
        // The number of signatures is a compact-u16, which is a single byte below 128.
        let mut bytes = vec![signatures];
        bytes.resize(1 + usize::from(signatures) * SIGNATURE_BYTES, 0);
        bytes.extend_from_slice(&VersionedMessage::V0(message).serialize());
        Ok(bytes)
    }

    async fn broadcast(
        &self,
        transaction: &VersionedTransaction,
        last_valid_block_height: u64,
        commitment: CommitmentConfig,
    ) -> Result<Signature, ChainError> {
        // The first send runs the node's preflight, so that a refusal costs nothing and is explained.
        let first = RpcSendTransactionConfig {
            preflight_commitment: Some(CommitmentLevel::Confirmed),
            ..RpcSendTransactionConfig::default()
        };
        let signature = self
            .rpc
            .send_transaction_with_config(transaction, first)
            .await
            .map_err(|error| self.endpoint.error("send a transaction", error))?;
        let again = RpcSendTransactionConfig {
            skip_preflight: true,
            ..first
        };
        let mut sent = Instant::now();
        loop {
            // Read the height before the status: a transaction that is absent after its blockhash expired cannot land.
            let expired = sent.elapsed() >= REBROADCAST_INTERVAL
                && self.finalized_height().await? > last_valid_block_height;
            if self.has_reached(&signature, commitment).await? {
                return Ok(signature);
            }
            if expired && !self.is_known(&signature).await? {
                return Err(ChainError::Expired { signature });
            }
            if sent.elapsed() >= REBROADCAST_INTERVAL {
                sent = Instant::now();
                if let Err(error) = self
                    .rpc
                    .send_transaction_with_config(transaction, again)
                    .await
                {
                    // The status decides: an earlier send may have been enough.
                    let error = self.endpoint.error("send a transaction again", error);
                    tracing::debug!(%error, %signature, "cannot resend a transaction, waiting for its status");
                }
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn finalized_height(&self) -> Result<u64, ChainError> {
        self.rpc
            .get_block_height_with_commitment(CommitmentConfig::finalized())
            .await
            .map_err(|error| self.endpoint.error("read the block height", error))
    }

    async fn has_reached(
        &self,
        signature: &Signature,
        commitment: CommitmentConfig,
    ) -> Result<bool, ChainError> {
        let statuses = self
            .rpc
            .get_signature_statuses(&[*signature])
            .await
            .map_err(|error| self.endpoint.error("read a transaction's status", error))?;
        let Some(status) = statuses.value.into_iter().next().flatten() else {
            return Ok(false);
        };
        if let Some(error) = status.err.clone() {
            return Err(transaction_failed(error, Vec::new()));
        }
        Ok(status.satisfies_commitment(commitment))
    }

    async fn is_known(&self, signature: &Signature) -> Result<bool, ChainError> {
        self.rpc
            .get_signature_statuses(&[*signature])
            .await
            .map(|statuses| statuses.value.into_iter().next().flatten().is_some())
            .map_err(|error| self.endpoint.error("read a transaction's status", error))
    }
}

fn unsignable(error: impl std::fmt::Display) -> ChainError {
    ChainError::Unsignable(error.to_string())
}

/// The fee payer and the signers, without duplicates.
pub(super) fn distinct<'a>(fee_payer: &'a Keypair, signers: &[&'a Keypair]) -> Vec<&'a Keypair> {
    let mut keys: Vec<Pubkey> = vec![fee_payer.pubkey()];
    let mut distinct = vec![fee_payer];
    for signer in signers {
        if !keys.contains(&signer.pubkey()) {
            keys.push(signer.pubkey());
            distinct.push(signer);
        }
    }
    distinct
}
