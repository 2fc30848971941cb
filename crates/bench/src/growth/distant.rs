//! A chain with the latency of a node on the Internet.

use std::time::Duration;

use async_trait::async_trait;
use farthing_chain::ChainError;
use farthing_tests::gateway::FakeChain;
use farthing_verifier::ports::{
    ChainSource, Delivery, Level, Observation, RecentBlockhash, TransactionStatus,
};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::Transaction;

/// A chain in memory that delays every request by a round trip.
#[derive(Debug)]
pub(super) struct DistantChain {
    pub(super) chain: FakeChain,
    pub(super) round_trip: Duration,
}

impl DistantChain {
    async fn asked(&self) -> &FakeChain {
        tokio::time::sleep(self.round_trip).await;
        &self.chain
    }
}

#[async_trait]
impl ChainSource for DistantChain {
    async fn genesis_hash(&self) -> Result<Hash, ChainError> {
        self.asked().await.genesis_hash().await
    }

    async fn accounts(
        &self,
        addresses: &[Pubkey],
        level: Level,
    ) -> Result<Observation, ChainError> {
        self.asked().await.accounts(addresses, level).await
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        self.asked().await.recent_blockhash().await
    }

    async fn finalized_block_height(&self) -> Result<u64, ChainError> {
        self.asked().await.finalized_block_height().await
    }

    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError> {
        self.asked().await.send(transaction, delivery).await
    }

    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError> {
        self.asked().await.statuses(signatures).await
    }
}
