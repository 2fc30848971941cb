//! Reads a channel's debits from the chain's history, transaction by transaction.

use solana_client::rpc_client::GetConfirmedSignaturesForAddress2Config;
use solana_client::rpc_config::RpcTransactionConfig;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::bs58;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction_status_client_types::option_serializer::OptionSerializer;
use solana_transaction_status_client_types::{
    EncodedTransactionWithStatusMeta, UiInstruction, UiTransactionEncoding, UiTransactionStatusMeta,
};

use super::{ChainClient, ChainError};
use crate::debits::{Debit, ExecutedInstruction, debits_of};

/// Maximum number of transactions per page.
const PAGE_LENGTH: usize = 100;

/// One page of a channel's history, with the latest debits first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The debits of the channel's lanes.
    pub debits: Vec<Debit>,
    /// The transaction before which the next page begins; `None` if the node has no earlier ones.
    pub next: Option<Signature>,
}

impl ChainClient {
    /// One page of the finalized debits of a channel's lanes: those before the transaction `before`, or the latest
    /// ones.
    ///
    /// # Errors
    /// [`ChainError`] if the node fails, or cannot return a transaction that it listed itself.
    pub async fn debits(
        &self,
        channel: &Pubkey,
        before: Option<Signature>,
    ) -> Result<HistoryPage, ChainError> {
        const WHAT: &str = "read the channel's history";
        let config = GetConfirmedSignaturesForAddress2Config {
            before,
            until: None,
            limit: Some(PAGE_LENGTH),
            commitment: Some(CommitmentConfig::finalized()),
        };
        let page = self
            .rpc
            .get_signatures_for_address_with_config(channel, config)
            .await
            .map_err(|error| self.endpoint.error(WHAT, error))?;
        let mut debits = Vec::new();
        let mut next = None;
        for entry in &page {
            let signature: Signature = entry
                .signature
                .parse()
                .map_err(|_| self.endpoint.unexpected(WHAT, "an invalid signature"))?;
            next = Some(signature);
            if entry.err.is_none() {
                debits.extend(self.debits_in(channel, &signature).await?);
            }
        }
        Ok(HistoryPage {
            debits,
            next: next.filter(|_| page.len() == PAGE_LENGTH),
        })
    }

    async fn debits_in(
        &self,
        channel: &Pubkey,
        signature: &Signature,
    ) -> Result<Vec<Debit>, ChainError> {
        const WHAT: &str = "read a transaction of the channel";
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(CommitmentConfig::finalized()),
            max_supported_transaction_version: Some(0),
        };
        let fetched = self
            .rpc
            .get_transaction_with_config(signature, config)
            .await
            .map_err(|error| self.endpoint.error(WHAT, error))?;
        let executed = executed(&fetched.transaction).ok_or_else(|| {
            self.endpoint
                .unexpected(WHAT, "a transaction that cannot be read")
        })?;
        // Latest first, like the pages.
        let latest_first = executed.iter().rev();
        Ok(latest_first
            .flat_map(|instruction| debits_of(&self.program, channel, instruction))
            .collect())
    }
}

/// The instructions of a transaction in the order of execution, including those that programs invoked. `None` if the
/// node's answer is malformed.
fn executed(fetched: &EncodedTransactionWithStatusMeta) -> Option<Vec<ExecutedInstruction>> {
    let transaction = fetched.transaction.decode()?;
    let meta = fetched.meta.as_ref()?;
    let mut keys = transaction.message.static_account_keys().to_vec();
    keys.extend(loaded(meta)?);
    let mut instructions = Vec::new();
    for (index, top) in transaction.message.instructions().iter().enumerate() {
        instructions.push(resolve(
            &keys,
            top.program_id_index,
            &top.accounts,
            top.data.clone(),
        )?);
        let OptionSerializer::Some(inner) = &meta.inner_instructions else {
            continue;
        };
        for called in inner
            .iter()
            .filter(|inner| usize::from(inner.index) == index)
        {
            for instruction in &called.instructions {
                let UiInstruction::Compiled(called) = instruction else {
                    return None;
                };
                let data = bs58::decode(&called.data).into_vec().ok()?;
                instructions.push(resolve(
                    &keys,
                    called.program_id_index,
                    &called.accounts,
                    data,
                )?);
            }
        }
    }
    Some(instructions)
}

/// The accounts that the transaction loaded from address lookup tables.
fn loaded(meta: &UiTransactionStatusMeta) -> Option<Vec<Pubkey>> {
    let OptionSerializer::Some(loaded) = &meta.loaded_addresses else {
        return Some(Vec::new());
    };
    let addresses = loaded.writable.iter().chain(&loaded.readonly);
    addresses.map(|address| address.parse().ok()).collect()
}

fn resolve(
    keys: &[Pubkey],
    program: u8,
    accounts: &[u8],
    data: Vec<u8>,
) -> Option<ExecutedInstruction> {
    let key = |index: &u8| keys.get(usize::from(*index)).copied();
    Some(ExecutedInstruction {
        program: key(&program)?,
        accounts: accounts.iter().map(key).collect::<Option<_>>()?,
        data,
    })
}
