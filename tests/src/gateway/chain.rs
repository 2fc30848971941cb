//! A chain in memory: accounts at two levels, and settlements that debit them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use borsh::BorshDeserialize;
use farthing_chain::ChainError;
use farthing_chain::PROGRAM_ID;
use farthing_protocol::instruction::SETTLE;
use farthing_verifier::ports::{
    ChainSource, Delivery, Level, Observation, RecentBlockhash, TransactionStatus,
};
use solana_sdk::account::Account;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::Transaction;

use super::account::debit_lane;

/// Number of blocks for which a blockhash is valid.
pub const BLOCKHASH_LIFE: u64 = 150;

/// What happens to the transactions that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// They land and are finalized immediately.
    Final,
    /// They land and fail.
    Fail,
    /// They are lost.
    Lost,
    /// They land, but are not finalized until the test calls [`FakeChain::finalize`].
    Seen,
}

#[derive(Debug)]
struct State {
    up: bool,
    slot: u64,
    slots_move: bool,
    block_height: u64,
    landing: Landing,
    finalized: HashMap<Pubkey, Account>,
    processed: HashMap<Pubkey, Account>,
    statuses: HashMap<Signature, TransactionStatus>,
    sent: Vec<(Transaction, Delivery)>,
    reads: HashMap<Pubkey, u32>,
    blockhashes: u64,
}

/// A chain in memory.
#[derive(Debug)]
pub struct FakeChain {
    genesis_hash: Hash,
    state: Mutex<State>,
}

#[derive(BorshDeserialize)]
struct ClaimArguments {
    lane: u16,
    authorized: u64,
    undebited: u32,
    _signature: [u8; 64],
}

impl FakeChain {
    /// An empty chain whose node answers.
    #[must_use]
    pub fn new(genesis_hash: Hash) -> Self {
        Self {
            genesis_hash,
            state: Mutex::new(State {
                up: true,
                slot: 1_000,
                slots_move: true,
                block_height: 1_000,
                landing: Landing::Final,
                finalized: HashMap::new(),
                processed: HashMap::new(),
                statuses: HashMap::new(),
                sent: Vec::new(),
                reads: HashMap::new(),
                blockhashes: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("tests do not poison the chain")
    }

    fn when_up(&self) -> Result<MutexGuard<'_, State>, ChainError> {
        let state = self.state();
        if state.up {
            Ok(state)
        } else {
            Err(ChainError::Unusable("the test says so".to_owned()))
        }
    }

    /// The chain's genesis hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.genesis_hash
    }

    /// Sets whether the node answers.
    pub fn set_up(&self, up: bool) {
        self.state().up = up;
    }

    /// Sets whether the slot advances with each read or stands still.
    pub fn set_slots_move(&self, slots_move: bool) {
        self.state().slots_move = slots_move;
    }

    /// Sets what happens to transactions from now on.
    pub fn set_landing(&self, landing: Landing) {
        self.state().landing = landing;
    }

    /// Writes an account at both levels.
    pub fn put(&self, address: Pubkey, account: Account) {
        let mut state = self.state();
        state.finalized.insert(address, account.clone());
        state.processed.insert(address, account);
    }

    /// Writes an account at the processed level only; `None` removes it.
    pub fn put_processed(&self, address: Pubkey, account: Option<Account>) {
        let mut state = self.state();
        match account {
            Some(account) => state.processed.insert(address, account),
            None => state.processed.remove(&address),
        };
    }

    /// Removes an account at both levels.
    pub fn remove(&self, address: &Pubkey) {
        let mut state = self.state();
        state.finalized.remove(address);
        state.processed.remove(address);
    }

    /// The finalized state of an account.
    #[must_use]
    pub fn finalized(&self, address: &Pubkey) -> Option<Account> {
        self.state().finalized.get(address).cloned()
    }

    /// How often an account was read at the finalized level.
    #[must_use]
    pub fn reads(&self, address: &Pubkey) -> u32 {
        self.state().reads.get(address).copied().unwrap_or_default()
    }

    /// All transactions that were sent.
    #[must_use]
    pub fn sent(&self) -> Vec<(Transaction, Delivery)> {
        self.state().sent.clone()
    }

    /// Advances the block height.
    pub fn pass_blocks(&self, blocks: u64) {
        self.state().block_height += blocks;
    }

    /// Finalizes all transactions that have landed.
    pub fn finalize(&self) {
        for status in self.state().statuses.values_mut() {
            status.finalized = true;
        }
    }
}

impl State {
    fn land(&mut self, transaction: &Transaction) {
        let signature = transaction.signatures[0];
        if self.landing == Landing::Lost || self.statuses.contains_key(&signature) {
            return;
        }
        let succeeds = self.landing != Landing::Fail && self.debit(transaction);
        let error = (!succeeds).then(|| "custom program error".to_owned());
        let status = TransactionStatus {
            finalized: self.landing != Landing::Seen,
            error,
        };
        self.statuses.insert(signature, status);
    }

    /// Applies a settlement; `false` if the channel does not exist any more.
    fn debit(&mut self, transaction: &Transaction) -> bool {
        let message = &transaction.message;
        for instruction in &message.instructions {
            let program = message.account_keys[usize::from(instruction.program_id_index)];
            let Some((&SETTLE, arguments)) = instruction.data.split_first() else {
                continue;
            };
            if program != PROGRAM_ID {
                continue;
            }
            let channel = message.account_keys[usize::from(instruction.accounts[2])];
            let claims = Vec::<ClaimArguments>::try_from_slice(arguments)
                .expect("settle's arguments are claims");
            for accounts in [&mut self.finalized, &mut self.processed] {
                let Some(account) = accounts.get_mut(&channel) else {
                    return false;
                };
                for claim in &claims {
                    let debit_to = claim.authorized - u64::from(claim.undebited);
                    debit_lane(&mut account.data, claim.lane, debit_to);
                }
            }
        }
        true
    }
}

#[async_trait]
impl ChainSource for FakeChain {
    async fn genesis_hash(&self) -> Result<Hash, ChainError> {
        Ok(self.genesis_hash)
    }

    async fn accounts(
        &self,
        addresses: &[Pubkey],
        level: Level,
    ) -> Result<Observation, ChainError> {
        // A round trip takes some time, in which concurrent requests arrive.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let mut state = self.when_up()?;
        if level == Level::Finalized {
            for address in addresses {
                *state.reads.entry(*address).or_default() += 1;
            }
            if state.slots_move {
                state.slot += 1;
            }
        }
        let accounts = match level {
            Level::Finalized => &state.finalized,
            Level::Processed => &state.processed,
        };
        let accounts = addresses
            .iter()
            .map(|address| accounts.get(address).cloned());
        Ok(Observation {
            slot: match level {
                Level::Finalized => state.slot - 32,
                Level::Processed => state.slot,
            },
            accounts: accounts.collect(),
        })
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        let mut state = self.when_up()?;
        state.blockhashes += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&state.blockhashes.to_le_bytes());
        Ok(RecentBlockhash {
            hash: Hash::new_from_array(hash),
            last_valid_block_height: state.block_height + BLOCKHASH_LIFE,
        })
    }

    async fn finalized_block_height(&self) -> Result<u64, ChainError> {
        Ok(self.when_up()?.block_height)
    }

    async fn send(&self, transaction: &Transaction, delivery: Delivery) -> Result<(), ChainError> {
        let mut state = self.when_up()?;
        state.sent.push((transaction.clone(), delivery));
        state.land(transaction);
        Ok(())
    }

    async fn statuses(
        &self,
        signatures: &[Signature],
    ) -> Result<Vec<Option<TransactionStatus>>, ChainError> {
        let state = self.when_up()?;
        let statuses = signatures
            .iter()
            .map(|signature| state.statuses.get(signature).cloned());
        Ok(statuses.collect())
    }
}
