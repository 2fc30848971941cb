//! [`ChainSource`] over Solana's JSON RPC.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use solana_client::client_error::ClientError;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::{Transaction, TransactionError};

use crate::ports::{
    ChainError, ChainSource, Delivery, Level, Observation, RecentBlockhash, TransactionStatus,
};

/// A cluster behind an RPC node.
pub struct RpcSource {
    client: RpcClient,
}

impl RpcSource {
    /// A client of the node at `url`.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Self {
        let commitment = CommitmentConfig::confirmed();
        Self {
            client: RpcClient::new_with_timeout_and_commitment(url.to_owned(), timeout, commitment),
        }
    }
}

impl fmt::Debug for RpcSource {
    // The URL may carry an access token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcSource").finish_non_exhaustive()
    }
}

const fn commitment(level: Level) -> CommitmentConfig {
    match level {
        Level::Processed => CommitmentConfig::processed(),
        Level::Finalized => CommitmentConfig::finalized(),
    }
}

fn unavailable(error: ClientError) -> ChainError {
    ChainError::Unavailable(without_url(&error))
}

/// The message of an error without the node's URL, which may carry an access token.
fn without_url(error: &ClientError) -> String {
    use solana_client::client_error::ClientErrorKind;
    match error.kind() {
        ClientErrorKind::Reqwest(error) if error.is_timeout() => "timed out".to_owned(),
        ClientErrorKind::Reqwest(error) if error.is_connect() => "cannot connect".to_owned(),
        ClientErrorKind::Reqwest(error) => match error.status() {
            Some(status) => format!("HTTP status {status}"),
            None => "the connection failed".to_owned(),
        },
        other => other.to_string(),
    }
}

#[async_trait]
impl ChainSource for RpcSource {
    async fn genesis_hash(&self) -> Result<Hash, ChainError> {
        self.client.get_genesis_hash().await.map_err(unavailable)
    }

    async fn accounts(
        &self,
        addresses: &[Pubkey],
        level: Level,
    ) -> Result<Observation, ChainError> {
        let response = self
            .client
            .get_multiple_accounts_with_commitment(addresses, commitment(level))
            .await
            .map_err(unavailable)?;
        if response.value.len() != addresses.len() {
            let message = "it left out accounts that were asked for";
            return Err(ChainError::Unavailable(message.to_owned()));
        }
        Ok(Observation {
            slot: response.context.slot,
            accounts: response.value,
        })
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        let (hash, last_valid_block_height) = self
            .client
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(unavailable)?;
        Ok(RecentBlockhash {
            hash,
            last_valid_block_height,
        })
    }

    async fn finalized_block_height(&self) -> Result<u64, ChainError> {
        self.client
            .get_block_height_with_commitment(CommitmentConfig::finalized())
            .await
            .map_err(unavailable)
    }

    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError> {
        let config = RpcSendTransactionConfig {
            skip_preflight: delivery == Delivery::Again,
            preflight_commitment: Some(CommitmentLevel::Confirmed),
            // The submitter sends again by itself, until the transaction is final or expired.
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        match self
            .client
            .send_transaction_with_config(transaction, config)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => match error.get_transaction_error() {
                // Of this node at this moment, not of the transaction: the node lags behind, or the
                // transaction is late, and then it expires and is signed anew.
                Some(TransactionError::BlockhashNotFound) => Err(ChainError::Unavailable(
                    "it does not know the blockhash".to_owned(),
                )),
                Some(reason) => Err(ChainError::Refused(reason.to_string())),
                None => Err(unavailable(error)),
            },
        }
    }

    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError> {
        let response = self
            .client
            .get_signature_statuses_with_history(signatures)
            .await
            .map_err(unavailable)?;
        let statuses = response.value.into_iter().map(|status| {
            status.map(|status| TransactionStatus {
                finalized: status.satisfies_commitment(CommitmentConfig::finalized()),
                error: status.err.map(|error| error.to_string()),
            })
        });
        Ok(statuses.collect())
    }
}
