//! Figures of the economy as read back from the chain by RPC.

use farthing_chain::{ChainClient, associated_token_address};
use farthing_protocol::BaseUnits;
use solana_client::rpc_config::RpcTransactionConfig;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::signer::Signer;

use super::{Economy, PrepaidEscrow};
use crate::dev::DevError;
use crate::localnet::USDC;

impl Economy {
    /// Balance of the payee's token account.
    ///
    /// # Errors
    /// [`DevError`] if the node fails.
    pub async fn payee_balance(&self) -> Result<BaseUnits, DevError> {
        let account = associated_token_address(&self.payee.pubkey(), &USDC);
        self.balance(&account).await
    }

    /// Amount by which the owner's token account grew since the escrow was prepaid.
    ///
    /// # Errors
    /// [`DevError`] if the node fails.
    pub async fn refunded(&self, escrow: &PrepaidEscrow) -> Result<BaseUnits, DevError> {
        let account = associated_token_address(&self.owner.pubkey(), &USDC);
        let balance = self.balance(&account).await?;
        Ok(balance.saturating_sub(escrow.owner_balance))
    }

    /// Balance of a token account; zero if it is closed.
    ///
    /// # Errors
    /// [`DevError`] if the node fails.
    pub async fn balance(&self, account: &Pubkey) -> Result<BaseUnits, DevError> {
        let balance = self
            .chain
            .token_balance(account, CommitmentConfig::finalized())
            .await?;
        Ok(balance.unwrap_or_default())
    }

    /// Sum of the fees, in lamports, of this economy's transactions and of `others`, as recorded on the chain.
    ///
    /// # Errors
    /// [`DevError`] if the node fails or does not know one of the transactions.
    pub async fn fees(&self, others: &[Signature]) -> Result<u64, DevError> {
        let mut lamports = 0;
        for signature in self.transactions.iter().chain(others) {
            lamports += transaction_fee(&self.chain, signature).await?;
        }
        Ok(lamports)
    }
}

/// Fee of a confirmed transaction, in lamports.
async fn transaction_fee(chain: &ChainClient, signature: &Signature) -> Result<u64, DevError> {
    let config = RpcTransactionConfig {
        commitment: Some(CommitmentConfig::confirmed()),
        max_supported_transaction_version: Some(0),
        ..RpcTransactionConfig::default()
    };
    let fetched = chain
        .rpc()
        .get_transaction_with_config(signature, config)
        .await;
    match fetched.map(|fetched| fetched.transaction.meta) {
        Ok(Some(meta)) => Ok(meta.fee),
        Ok(None) => Err(DevError::NoFee(
            *signature,
            "the node returned no metadata".to_owned(),
        )),
        Err(error) => Err(DevError::NoFee(*signature, error.to_string())),
    }
}
