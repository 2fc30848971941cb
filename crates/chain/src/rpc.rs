//! Client of a node's JSON-RPC: reads the program's accounts, and sends transactions until they reach the requested
//! commitment.
//!
//! A node's URL may carry an access key, so neither errors nor `Debug` show more of it than its host.

mod error;
mod history;
mod program;
mod send;
mod send_many;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use farthing_protocol::deadline::ChainTime;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

pub use error::{ChainError, Endpoint};
pub use history::HistoryPage;
pub use program::{Deployed, UpgradeAuthority};
pub use send_many::{Batch, room_for_data};

use super::accounts::{AccountError, Approval, Channel, Escrow};
use super::clock::{CLOCK, read_clock};
use super::token::{Token, is_token_program, token_account_amount};

/// A client of one node for one program.
#[derive(Clone)]
pub struct ChainClient {
    rpc: Arc<RpcClient>,
    endpoint: Endpoint,
    program: Pubkey,
}

impl fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainClient")
            .field("endpoint", &self.endpoint)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

impl ChainClient {
    /// A client of the node at `url` for one program. Connects when first used.
    #[must_use]
    pub fn new(url: &str, program: Pubkey) -> Self {
        let commitment = CommitmentConfig::confirmed();
        Self {
            rpc: Arc::new(RpcClient::new_with_commitment(url.to_owned(), commitment)),
            endpoint: Endpoint::new(url),
            program,
        }
    }

    /// Like [`Self::new`], with a timeout for each request to the node.
    #[must_use]
    pub fn with_timeout(url: &str, program: Pubkey, timeout: Duration) -> Self {
        let commitment = CommitmentConfig::confirmed();
        let rpc = RpcClient::new_with_timeout_and_commitment(url.to_owned(), timeout, commitment);
        Self {
            rpc: Arc::new(rpc),
            endpoint: Endpoint::new(url),
            program,
        }
    }

    /// A client of the same node for another program.
    #[must_use]
    pub fn with_program(&self, program: Pubkey) -> Self {
        Self {
            program,
            ..self.clone()
        }
    }

    /// The underlying RPC client, for requests that this type does not offer.
    #[must_use]
    pub fn rpc(&self) -> &Arc<RpcClient> {
        &self.rpc
    }

    /// The node's URL as errors show it: scheme and host.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The program's address.
    #[must_use]
    pub fn program(&self) -> &Pubkey {
        &self.program
    }

    /// The cluster's genesis hash.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn genesis_hash(&self) -> Result<Hash, ChainError> {
        self.rpc
            .get_genesis_hash()
            .await
            .map_err(|error| self.endpoint.error("read the genesis hash", error))
    }

    /// The latest slot that has reached this commitment.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn slot(&self, commitment: CommitmentConfig) -> Result<u64, ChainError> {
        self.rpc
            .get_slot_with_commitment(commitment)
            .await
            .map_err(|error| self.endpoint.error("read the slot", error))
    }

    /// The time of the chain's clock, which decides deadlines.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], or [`ChainError::Malformed`] if the node's answer is not a clock.
    pub async fn chain_time(&self, commitment: CommitmentConfig) -> Result<ChainTime, ChainError> {
        let account = self.account(&CLOCK, commitment).await?;
        account
            .and_then(|account| read_clock(&account.data))
            .ok_or(ChainError::Malformed {
                address: CLOCK,
                kind: "clock",
            })
    }

    /// An escrow, or `None` if there is no account at the address.
    ///
    /// # Errors
    /// [`ChainError`] if the node fails or the account is not an escrow of this program.
    pub async fn escrow(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Escrow>, ChainError> {
        self.program_account(address, commitment, Escrow::decode)
            .await
    }

    /// An approval, or `None` if there is no account at the address.
    ///
    /// # Errors
    /// [`ChainError`] if the node fails or the account is not an approval of this program.
    pub async fn approval(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Approval>, ChainError> {
        self.program_account(address, commitment, Approval::decode)
            .await
    }

    /// A channel, or `None` if there is no account at the address.
    ///
    /// # Errors
    /// [`ChainError`] if the node fails or the account is not a channel of this program.
    pub async fn channel(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Channel>, ChainError> {
        self.program_account(address, commitment, Channel::decode)
            .await
    }

    /// Balance of a token account in base units, or `None` if there is no token account at the address.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn token_balance(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<BaseUnits>, ChainError> {
        let account = self.account(address, commitment).await?;
        Ok(account.and_then(|account| token_account_amount(&account.owner, &account.data)))
    }

    /// A mint with its token program, which is the account's owner, or `None` if no token program has an
    /// account at the address. Whether the account is a mint is not checked here but by the program.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn token(
        &self,
        mint: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Token>, ChainError> {
        let account = self.account(mint, commitment).await?;
        let program = account
            .map(|account| account.owner)
            .filter(is_token_program);
        Ok(program.map(|program| Token {
            mint: *mint,
            program,
        }))
    }

    /// Lamports of an account; 0 if there is none.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn lamports(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<u64, ChainError> {
        self.rpc
            .get_balance_with_commitment(address, commitment)
            .await
            .map(|response| response.value)
            .map_err(|error| self.endpoint.error("read a balance", error))
    }

    async fn account(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Account>, ChainError> {
        let answer = self
            .rpc
            .get_account_with_commitment(address, commitment)
            .await
            .map_err(|error| self.endpoint.error("read an account", error))?;
        Ok(answer.value.map(|account| Account {
            owner: account.owner,
            lamports: account.lamports,
            data: account.data,
        }))
    }

    async fn program_account<T>(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
        decode: fn(&[u8]) -> Result<T, AccountError>,
    ) -> Result<Option<T>, ChainError> {
        let Some(account) = self.account(address, commitment).await? else {
            return Ok(None);
        };
        if account.owner != self.program {
            return Err(ChainError::WrongProgram {
                address: *address,
                owner: account.owner,
                program: self.program,
            });
        }
        decode(&account.data)
            .map(Some)
            .map_err(|source| ChainError::Account {
                address: *address,
                source,
            })
    }
}

/// The fields of an account that are used here.
struct Account {
    owner: Pubkey,
    lamports: u64,
    data: Vec<u8>,
}
