//! Implements [`ChainSource`] over Solana's JSON RPC. The RPC client and its errors, which never show the node's access
//! key, are defined in [`farthing_chain`].

use async_trait::async_trait;
use farthing_chain::{ChainClient, ChainError};
use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::Transaction;

use crate::ports::{ChainSource, Delivery, Level, Observation, RecentBlockhash, TransactionStatus};

const fn commitment(level: Level) -> CommitmentConfig {
    match level {
        Level::Processed => CommitmentConfig::processed(),
        Level::Finalized => CommitmentConfig::finalized(),
    }
}

#[async_trait]
impl ChainSource for ChainClient {
    async fn genesis_hash(&self) -> Result<Hash, ChainError> {
        Self::genesis_hash(self).await
    }

    async fn accounts(
        &self,
        addresses: &[Pubkey],
        level: Level,
    ) -> Result<Observation, ChainError> {
        const WHAT: &str = "read accounts";
        let response = self
            .rpc()
            .get_multiple_accounts_with_commitment(addresses, commitment(level))
            .await
            .map_err(|error| self.endpoint().error(WHAT, error))?;
        if response.value.len() != addresses.len() {
            let what = "it returned another number of accounts than was requested";
            return Err(self.endpoint().unexpected(WHAT, what));
        }
        Ok(Observation {
            slot: response.context.slot,
            accounts: response.value,
        })
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        let (hash, last_valid_block_height) = self
            .rpc()
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.endpoint().error("read a blockhash", error))?;
        Ok(RecentBlockhash {
            hash,
            last_valid_block_height,
        })
    }

    async fn finalized_block_height(&self) -> Result<u64, ChainError> {
        self.rpc()
            .get_block_height_with_commitment(CommitmentConfig::finalized())
            .await
            .map_err(|error| self.endpoint().error("read the block height", error))
    }

    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError> {
        let config = RpcSendTransactionConfig {
            skip_preflight: delivery == Delivery::Again,
            preflight_commitment: Some(CommitmentLevel::Confirmed),
            // The node must not rebroadcast: the submitter does, until the transaction is finalized or expired.
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        self.rpc()
            .send_transaction_with_config(transaction, config)
            .await
            .map(|_| ())
            .map_err(|error| self.endpoint().error("send a transaction", error))
    }

    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError> {
        let response = self
            .rpc()
            .get_signature_statuses_with_history(signatures)
            .await
            .map_err(|error| self.endpoint().error("read transactions' statuses", error))?;
        let statuses = response.value.into_iter().map(|status| {
            status.map(|status| TransactionStatus {
                finalized: status.satisfies_commitment(CommitmentConfig::finalized()),
                error: status.err.map(|error| error.to_string()),
            })
        });
        Ok(statuses.collect())
    }
}
