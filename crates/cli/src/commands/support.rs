//! Helpers of several commands: reading keys, reading accounts that must exist, and sending transactions.

use farthing_chain::keys::read_keypair;
use farthing_chain::{Channel, Escrow};
use farthing_protocol::BaseUnits;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::Signer;

use crate::arguments::SignerArgs;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// The keys that sign a command's transactions and pay for them.
pub struct Signers {
    actor: Keypair,
    fee_payer: Option<Keypair>,
}

impl Signers {
    /// Reads the key files.
    ///
    /// # Errors
    /// [`CliError::KeyFile`] if a file is missing or invalid.
    pub fn read(args: &SignerArgs) -> Result<Self, CliError> {
        Ok(Self {
            actor: read_keypair(&args.keypair)?,
            fee_payer: args.fee_payer.as_deref().map(read_keypair).transpose()?,
        })
    }

    /// One key that both signs and pays.
    #[must_use]
    pub const fn one(actor: Keypair) -> Self {
        Self {
            actor,
            fee_payer: None,
        }
    }

    /// Address of the key that signs for the command.
    #[must_use]
    pub fn actor(&self) -> Pubkey {
        self.actor.pubkey()
    }

    /// Address of the key that pays fees and rent.
    #[must_use]
    pub fn payer(&self) -> Pubkey {
        self.payer_key().pubkey()
    }

    /// The key that signs for the command.
    #[must_use]
    pub const fn actor_key(&self) -> &Keypair {
        &self.actor
    }

    /// The key that pays fees and rent.
    #[must_use]
    pub fn payer_key(&self) -> &Keypair {
        self.fee_payer.as_ref().unwrap_or(&self.actor)
    }

    /// Sends a transaction and waits until it is final.
    ///
    /// # Errors
    /// [`CliError::Chain`].
    pub async fn send(
        &self,
        connection: &Connection,
        instructions: &[Instruction],
        output: Output,
    ) -> Result<Signature, CliError> {
        output.progress(format_args!(
            "sending the transaction to {} and waiting until it is final",
            connection.cluster
        ));
        // The actor signs only if an instruction names it as a signer; otherwise the fee payer alone signs.
        let acts = instructions
            .iter()
            .flat_map(|instruction| &instruction.accounts)
            .any(|account| account.is_signer && account.pubkey == self.actor());
        let signers: &[&Keypair] = if acts { &[&self.actor] } else { &[] };
        let signature = connection
            .chain
            .send_and_finalize(instructions, self.payer_key(), signers)
            .await?;
        Ok(signature)
    }
}

/// The escrow at an address.
///
/// # Errors
/// If there is none, or the node fails.
pub async fn escrow(connection: &Connection, address: &Pubkey) -> Result<Escrow, CliError> {
    connection
        .chain
        .escrow(address, CommitmentConfig::confirmed())
        .await?
        .ok_or_else(|| {
            CliError::failed(format!(
                "there is no escrow at {address} on {}: create one with `farthing escrow create`",
                connection.cluster
            ))
        })
}

/// The channel at an address.
///
/// # Errors
/// If there is none, or the node fails.
pub async fn channel(connection: &Connection, address: &Pubkey) -> Result<Channel, CliError> {
    connection
        .chain
        .channel(address, CommitmentConfig::confirmed())
        .await?
        .ok_or_else(|| {
            CliError::failed(format!(
                "there is no channel at {address} on {}: it may have been closed; open one with `farthing channel \
                open`",
                connection.cluster
            ))
        })
}

/// Balance of a token account; zero if it does not exist.
///
/// # Errors
/// If the node fails.
pub async fn balance(connection: &Connection, account: &Pubkey) -> Result<BaseUnits, CliError> {
    let balance = connection
        .chain
        .token_balance(account, CommitmentConfig::confirmed())
        .await?;
    Ok(balance.unwrap_or(BaseUnits::ZERO))
}
