//! Reads a program itself: its bytecode, who may replace it, and whether it responds.

use solana_client::rpc_config::RpcSimulateTransactionConfig;
use solana_commitment_config::CommitmentConfig;
use solana_message::{VersionedMessage, v0};
use solana_sdk::hash::Hash;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;

use super::error::ChainError;
use super::{Account, ChainClient};
use crate::loader::{
    LoaderBuffer, ProgramData, UPGRADEABLE_LOADER, decode_program, program_data_address,
};

/// Who may replace the program's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeAuthority {
    /// Nobody: the program cannot be changed.
    Immutable,
    /// This key, or the multisig behind it.
    Key(Pubkey),
    /// The account that names the authority is missing or malformed.
    Unknown,
}

/// A program of the upgradeable loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The program's bytecode, and who may replace it; `None` if the program was closed, which cannot be undone.
    pub data: Option<ProgramData>,
    /// Lamports of the accounts of program and bytecode together, which pay their rent.
    pub lamports: u64,
}

impl ChainClient {
    /// The program with its bytecode, or `None` if there is no account at its address.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], or [`ChainError::WrongProgram`] if the address does not belong to the
    /// upgradeable loader.
    pub async fn deployed(
        &self,
        commitment: CommitmentConfig,
    ) -> Result<Option<Deployed>, ChainError> {
        let Some(program) = self.loader_account(&self.program, commitment).await? else {
            return Ok(None);
        };
        let data_address = decode_program(&program.data).map_err(self.malformed(&self.program))?;
        let data = self.loader_account(&data_address, commitment).await?;
        let lamports = program.lamports + data.as_ref().map_or(0, |data| data.lamports);
        let data = data
            .map(|data| ProgramData::decode(data.data))
            .transpose()
            .map_err(self.malformed(&data_address))?;
        Ok(Some(Deployed { data, lamports }))
    }

    /// A buffer, or `None` if there is no account at the address.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], [`ChainError::WrongProgram`] if the account does not belong to the upgradeable loader,
    /// or [`ChainError::Account`] if it is not a buffer.
    pub async fn loader_buffer(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<LoaderBuffer>, ChainError> {
        let account = self.loader_account(address, commitment).await?;
        account
            .map(|account| LoaderBuffer::decode(account.data, account.lamports))
            .transpose()
            .map_err(self.malformed(address))
    }

    /// Who may replace the program.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], or [`ChainError::Malformed`] if the program is missing.
    pub async fn upgrade_authority(
        &self,
        commitment: CommitmentConfig,
    ) -> Result<UpgradeAuthority, ChainError> {
        let program = self.account(&self.program, commitment).await?;
        let program = program.ok_or(ChainError::Malformed {
            address: self.program,
            kind: "program",
        })?;
        if program.owner != UPGRADEABLE_LOADER {
            return Ok(UpgradeAuthority::Immutable);
        }
        let data = match decode_program(&program.data) {
            Ok(address) => self.account(&address, commitment).await?,
            Err(_) => None,
        };
        Ok(
            match data.map(|account| ProgramData::decode(account.data)) {
                Some(Ok(data)) => data
                    .authority
                    .map_or(UpgradeAuthority::Immutable, UpgradeAuthority::Key),
                _ => UpgradeAuthority::Unknown,
            },
        )
    }

    /// The owner of an account: the program that it belongs to.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn owner(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Pubkey>, ChainError> {
        let account = self.account(address, commitment).await?;
        Ok(account.map(|account| account.owner))
    }

    /// Lamports that an account of this length must hold to be rent-exempt.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn rent(&self, length: usize) -> Result<u64, ChainError> {
        self.rpc
            .get_minimum_balance_for_rent_exemption(length)
            .await
            .map_err(|error| self.endpoint.error("read the rent", error))
    }

    /// Simulates an instruction that does not exist and returns the program's error code; `None` if the program returns
    /// no code. `fee_payer` need not sign. The codes are those of the framework: Anchor first checks whether the
    /// program runs at the address that it was compiled for.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn probe(&self, fee_payer: &Pubkey) -> Result<Option<u32>, ChainError> {
        let instruction = Instruction {
            program_id: self.program,
            accounts: Vec::new(),
            data: Vec::new(),
        };
        let message = v0::Message::try_compile(fee_payer, &[instruction], &[], Hash::default())
            .map_err(|error| ChainError::Unsignable(error.to_string()))?;
        let transaction = VersionedTransaction {
            signatures: vec![Signature::default()],
            message: VersionedMessage::V0(message),
        };
        let config = RpcSimulateTransactionConfig {
            sig_verify: false,
            replace_recent_blockhash: true,
            commitment: Some(CommitmentConfig::confirmed()),
            ..RpcSimulateTransactionConfig::default()
        };
        let answer = self
            .rpc
            .simulate_transaction_with_config(&transaction, config)
            .await
            .map_err(|error| self.endpoint.error("simulate a transaction", error))?;
        let error = answer.value.err.map(TransactionError::from);
        Ok(match error {
            Some(TransactionError::InstructionError(_, InstructionError::Custom(code))) => {
                Some(code)
            }
            _ => None,
        })
    }

    async fn loader_account(
        &self,
        address: &Pubkey,
        commitment: CommitmentConfig,
    ) -> Result<Option<Account>, ChainError> {
        match self.account(address, commitment).await? {
            Some(account) if account.owner != UPGRADEABLE_LOADER => Err(ChainError::WrongProgram {
                address: *address,
                owner: account.owner,
                program: UPGRADEABLE_LOADER,
            }),
            account => Ok(account),
        }
    }

    fn malformed(
        &self,
        address: &Pubkey,
    ) -> impl FnOnce(crate::AccountError) -> ChainError + use<> {
        let address = *address;
        move |source| ChainError::Account { address, source }
    }
}

/// The address of the program's bytecode.
impl ChainClient {
    /// Address of the account that holds the program's bytecode.
    #[must_use]
    pub fn program_data_address(&self) -> Pubkey {
        program_data_address(&self.program)
    }
}
