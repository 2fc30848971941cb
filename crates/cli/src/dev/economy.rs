//! The demo's parties and their on-chain transactions: an owner, and a payee with its settler. Every figure is read
//! back from the chain, and every fee is counted.
//!
//! HTTP does not belong here, nor anything about agents except the keys of their lanes.

mod figures;

use std::path::{Path, PathBuf};
use std::time::Duration;

use farthing_chain::instructions::{
    AddLanes, CloseChannel, CloseEscrow, CreateEscrow, Funds, OpenChannel, add_lanes,
    close_channel, close_escrow, create_escrow, create_token_account, open_channel,
    transfer_to_vault,
};
use farthing_chain::keys::generate_keypair;
use farthing_chain::{
    ChainClient, Channel, NewLane, PROGRAM_ID, associated_token_address, channel_address,
    escrow_address,
};
use farthing_protocol::BaseUnits;
use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::Signer;

use super::DevError;
use crate::commands::channel::open::{LANES_AT_OPEN, LANES_PER_ADDITION};
use crate::localnet::{Localnet, USDC};

/// Lamports given to the owner, who pays rent, and to the settler, who pays fees.
const LAMPORTS: u64 = 10_000_000_000;
/// Interval at which the slot is read while waiting for a certain slot.
const SLOT_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// An escrow that was prepaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepaidEscrow {
    /// The escrow's address.
    pub address: Pubkey,
    /// The escrow's token account.
    pub vault: Pubkey,
    /// Amount by which the vault grew through the owner's transfer.
    pub deposited: BaseUnits,
    /// Balance of the owner's token account after the transfer.
    pub owner_balance: BaseUnits,
}

/// The parties, the chain, and the transactions sent so far.
pub struct Economy {
    chain: ChainClient,
    genesis_hash: Hash,
    owner: Keypair,
    payee: Keypair,
    settler: Keypair,
    transactions: Vec<Signature>,
}

impl Economy {
    /// Generates the keys in `folder`, gives SOL to owner and settler, and creates the payee's token account.
    ///
    /// # Errors
    /// [`DevError`] if a key cannot be written or the chain refuses.
    pub async fn found(localnet: &Localnet, folder: &Path) -> Result<Self, DevError> {
        let chain = localnet.chain().clone();
        let mut economy = Self {
            genesis_hash: chain.genesis_hash().await?,
            chain,
            owner: generate_keypair(&owner_path(folder))?,
            payee: generate_keypair(&payee_path(folder))?,
            settler: generate_keypair(&settler_path(folder))?,
            transactions: Vec::new(),
        };
        for key in [economy.owner.pubkey(), economy.settler.pubkey()] {
            localnet.fund_sol(&key, LAMPORTS).await?;
        }
        let create =
            create_token_account(&economy.settler.pubkey(), &economy.payee.pubkey(), &USDC);
        let settler = economy.settler.insecure_clone();
        economy.send(&[create], &settler, &[]).await?;
        Ok(economy)
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// The chain's genesis hash.
    #[must_use]
    pub fn genesis_hash(&self) -> &Hash {
        &self.genesis_hash
    }

    /// The payee's wallet, which receives the payments.
    #[must_use]
    pub fn payee(&self) -> Pubkey {
        self.payee.pubkey()
    }

    /// The payee's hot key.
    #[must_use]
    pub fn settler(&self) -> &Keypair {
        &self.settler
    }

    /// The owner of the escrows.
    #[must_use]
    pub fn owner(&self) -> &Keypair {
        &self.owner
    }

    /// Mints `amount` of USDC to the owner, who creates an escrow and sends the whole amount to its vault with a plain
    /// token transfer.
    ///
    /// # Errors
    /// [`DevError`] if the chain refuses.
    pub async fn prepay(
        &mut self,
        localnet: &Localnet,
        escrow_id: u64,
        amount: BaseUnits,
    ) -> Result<PrepaidEscrow, DevError> {
        let owner = self.owner.insecure_clone();
        localnet.mint_usdc(&owner.pubkey(), amount).await?;
        let (address, _) = escrow_address(&PROGRAM_ID, &owner.pubkey(), &USDC.mint, escrow_id);
        let create = create_escrow(
            &PROGRAM_ID,
            &CreateEscrow {
                owner: owner.pubkey(),
                rent_payer: owner.pubkey(),
                token: USDC,
                escrow_id,
            },
        );
        self.send(&[create], &owner, &[]).await?;
        let vault = associated_token_address(&address, &USDC);
        let source = associated_token_address(&owner.pubkey(), &USDC);
        let before = self.balance(&vault).await?;
        let transfer = transfer_to_vault(&owner.pubkey(), &source, &USDC, &vault, amount);
        self.send(&[transfer], &owner, &[]).await?;
        let after = self.balance(&vault).await?;
        Ok(PrepaidEscrow {
            address,
            vault,
            deposited: after.saturating_sub(before),
            owner_balance: self.balance(&source).await?,
        })
    }

    /// Opens a channel from the escrow to the payee with as many lanes as fit into one transaction, then sends
    /// transactions that add the other lanes.
    ///
    /// # Errors
    /// [`DevError`] if the chain refuses.
    pub async fn open_channel(
        &mut self,
        escrow: &Pubkey,
        channel_id: u64,
        deposit: BaseUnits,
        lanes: &[NewLane],
    ) -> Result<Pubkey, DevError> {
        let owner = self.owner.insecure_clone();
        let (first, others) = lanes.split_at(lanes.len().min(LANES_AT_OPEN));
        let input = OpenChannel {
            authority: owner.pubkey(),
            rent_payer: owner.pubkey(),
            escrow: *escrow,
            token: USDC,
            approval: None,
            payee: self.payee.pubkey(),
            settler: self.settler.pubkey(),
            channel_id,
            deposit,
            grace_seconds: MIN_GRACE_SECONDS,
            genesis_hash: self.genesis_hash,
            opened_slot: self.chain.slot(CommitmentConfig::confirmed()).await?,
            lanes: first.to_vec(),
        };
        let (channel, _) = channel_address(&PROGRAM_ID, escrow, &input.payee, channel_id);
        let mut instructions = vec![open_channel(&PROGRAM_ID, &input)];
        for more in others.chunks(LANES_PER_ADDITION) {
            let input = AddLanes {
                authority: owner.pubkey(),
                rent_payer: owner.pubkey(),
                escrow: *escrow,
                channel,
                lanes: more.to_vec(),
            };
            instructions.push(add_lanes(&PROGRAM_ID, &input));
        }
        for instruction in instructions {
            self.send(&[instruction], &owner, &[]).await?;
        }
        Ok(channel)
    }

    /// Reads the finalized state of a channel.
    ///
    /// # Errors
    /// [`DevError`] if the node fails or there is none.
    pub async fn channel(&self, address: &Pubkey) -> Result<Channel, DevError> {
        self.chain
            .channel(address, CommitmentConfig::finalized())
            .await?
            .ok_or(DevError::NoChannel(*address))
    }

    /// Waits until the channel may be closed, then closes it as the payee. The rest of the deposit returns to the
    /// escrow immediately, without a grace.
    ///
    /// # Errors
    /// [`DevError`] if the chain refuses.
    pub async fn close_channel(&mut self, address: &Pubkey) -> Result<(), DevError> {
        let channel = self.channel(address).await?;
        let closable_after = channel.header.opened_slot + OPENED_SLOT_WINDOW;
        while self.chain.slot(CommitmentConfig::confirmed()).await? <= closable_after {
            tokio::time::sleep(SLOT_POLL_INTERVAL).await;
        }
        let close = close_channel(
            &PROGRAM_ID,
            &CloseChannel {
                authority: self.payee.pubkey(),
                funds: Funds {
                    escrow: channel.escrow(),
                    channel: *address,
                    payee: self.payee.pubkey(),
                    token: USDC,
                },
                rent_payer: channel.rent_payer(),
            },
        );
        let (settler, payee) = (self.settler.insecure_clone(), self.payee.insecure_clone());
        self.send(&[close], &settler, &[&payee]).await
    }

    /// Closes the escrow as the owner, who gets back the balance of its vault. Waits until that is final.
    ///
    /// # Errors
    /// [`DevError`] if the chain refuses.
    pub async fn close_escrow(&mut self, escrow: &PrepaidEscrow) -> Result<(), DevError> {
        let owner = self.owner.insecure_clone();
        let close = close_escrow(
            &PROGRAM_ID,
            &CloseEscrow {
                authority: owner.pubkey(),
                escrow: escrow.address,
                rent_payer: owner.pubkey(),
                token: USDC,
                destination: Some(associated_token_address(&owner.pubkey(), &USDC)),
            },
        );
        let signature = self.chain.send_and_finalize(&[close], &owner, &[]).await?;
        self.transactions.push(signature);
        Ok(())
    }

    async fn send(
        &mut self,
        instructions: &[Instruction],
        fee_payer: &Keypair,
        signers: &[&Keypair],
    ) -> Result<(), DevError> {
        let confirmed = CommitmentConfig::confirmed();
        let signature = self
            .chain
            .send_and_confirm(instructions, fee_payer, signers, confirmed)
            .await?;
        self.transactions.push(signature);
        Ok(())
    }
}

/// Path of the owner's key file.
#[must_use]
pub fn owner_path(folder: &Path) -> PathBuf {
    folder.join("owner.json")
}

/// Path of the payee's key file.
#[must_use]
pub fn payee_path(folder: &Path) -> PathBuf {
    folder.join("payee.json")
}

/// Path of the settler's key file.
#[must_use]
pub fn settler_path(folder: &Path) -> PathBuf {
    folder.join("settler.json")
}
