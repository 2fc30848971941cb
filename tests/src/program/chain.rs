//! An in-process SVM with mainnet's features, the program's bytecode, and a keyring.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use farthing_protocol::deadline::ChainTime;
use litesvm::LiteSVM;
use litesvm::types::{FailedTransactionMetadata, SimulatedTransactionInfo, TransactionMetadata};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_sdk::account::Account;
use solana_sdk::clock::Clock;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::message::{
    AddressLookupTableAccount, Message, MessageHeader, VersionedMessage, v0,
};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use solana_sdk::slot_hashes::SlotHashes;
use solana_sdk::transaction::{Transaction, TransactionError, VersionedTransaction};

/// The bytecode under test: the committed one, or that of the file which `FARTHING_BYTECODE` names, so that
/// whoever compiled the program can test what they will deploy.
///
/// # Panics
/// If that file cannot be read.
pub static BYTECODE: LazyLock<Cow<'static, [u8]>> =
    LazyLock::new(|| match std::env::var_os("FARTHING_BYTECODE") {
        None => Cow::Borrowed(COMMITTED_BYTECODE),
        Some(file) => Cow::Owned(
            std::fs::read(&file)
                .unwrap_or_else(|error| panic!("FARTHING_BYTECODE={}: {error}", file.display())),
        ),
    });

const COMMITTED_BYTECODE: &[u8] = include_bytes!("../../../programs/farthing/artifact/farthing.so");

/// What every key starts with.
const LAMPORTS: u64 = 1_000_000_000_000;

/// The most that a transaction may ask for.
pub const COMPUTE_UNITS: u32 = 1_400_000;

/// A chain that runs one transaction at a time.
pub struct Chain {
    svm: LiteSVM,
    keys: HashMap<Pubkey, Keypair>,
    fee_payer: Pubkey,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A chain with mainnet's features, at an arbitrary time.
    #[must_use]
    pub fn new() -> Self {
        Self::from_svm(mainnet().with_sigverify(true).with_blockhash_check(true))
    }

    /// A chain with mainnet's features that does not check transaction signatures and blockhashes, for tests that run
    /// very many transactions. The program still checks which accounts are signers.
    #[must_use]
    pub fn without_transaction_checks() -> Self {
        Self::from_svm(mainnet().with_sigverify(false).with_blockhash_check(false))
    }

    /// A chain with every feature that its engine knows.
    #[must_use]
    pub fn with_all_features() -> Self {
        Self::from_svm(LiteSVM::new())
    }

    fn from_svm(mut svm: LiteSVM) -> Self {
        svm.add_program(farthing::ID, &BYTECODE)
            .expect("the bytecode loads");
        let mut chain = Self {
            svm,
            keys: HashMap::new(),
            fee_payer: Pubkey::default(),
        };
        chain.set_time(ChainTime {
            unix_timestamp: 1_800_000_000,
            slot: 300_000_000,
        });
        chain.fee_payer = chain.new_key();
        chain
    }

    /// A new key with lamports.
    pub fn new_key(&mut self) -> Pubkey {
        let key = self.new_address();
        self.airdrop(&key, LAMPORTS);
        key
    }

    /// A new key without lamports. Keys are the same in every run, so that the costs of address derivation
    /// are.
    pub fn new_address(&mut self) -> Pubkey {
        let mut secret = [0xa5; 32];
        secret[..8].copy_from_slice(&(self.keys.len() as u64).to_le_bytes());
        let keypair = Keypair::new_from_array(secret);
        let key = keypair.pubkey();
        self.keys.insert(key, keypair);
        key
    }

    /// The signature of a key of this chain.
    ///
    /// # Panics
    /// If [`Self::new_key`] did not make `key`.
    #[must_use]
    pub fn sign(&self, key: &Pubkey, message: &[u8]) -> [u8; 64] {
        self.keys[key].sign_message(message).into()
    }

    /// Runs a transaction, signed by every signer that its accounts name, with the most compute units.
    ///
    /// # Errors
    /// Why it failed.
    pub fn send(
        &mut self,
        instructions: &[Instruction],
    ) -> Result<TransactionMetadata, Box<FailedTransactionMetadata>> {
        let transaction = self.with_most_compute_units(instructions);
        self.svm.send_transaction(transaction).map_err(Box::new)
    }

    fn with_most_compute_units(&mut self, instructions: &[Instruction]) -> Transaction {
        let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(
            COMPUTE_UNITS,
        )];
        all.extend_from_slice(instructions);
        self.transaction(&all, &self.fee_payer.clone())
    }

    /// A signed transaction with a blockhash that no earlier one has, unless the chain checks neither.
    ///
    /// # Panics
    /// If a signer is not a key of this chain.
    pub fn transaction(&mut self, instructions: &[Instruction], fee_payer: &Pubkey) -> Transaction {
        let message = Message::new(instructions, Some(fee_payer));
        if !self.svm.get_sigverify() {
            return Transaction::new_unsigned(message);
        }
        self.svm.expire_blockhash();
        let signers = self.signers(&message.header, &message.account_keys);
        Transaction::new(&signers, message.clone(), self.svm.latest_blockhash())
    }

    /// A signed transaction of version 0, which takes what it can of its accounts from `table`.
    ///
    /// # Panics
    /// If a signer is not a key of this chain, or there are too many accounts.
    pub fn transaction_with_table(
        &mut self,
        instructions: &[Instruction],
        fee_payer: &Pubkey,
        table: &AddressLookupTableAccount,
    ) -> VersionedTransaction {
        self.svm.expire_blockhash();
        let tables = std::slice::from_ref(table);
        let blockhash = self.svm.latest_blockhash();
        let message = v0::Message::try_compile(fee_payer, instructions, tables, blockhash)
            .expect("accounts are numbered by a byte");
        let signers = self.signers(&message.header, &message.account_keys);
        VersionedTransaction::try_new(VersionedMessage::V0(message), &signers)
            .expect("every signer signs")
    }

    /// The keypairs of those who must sign.
    fn signers(&self, header: &MessageHeader, accounts: &[Pubkey]) -> Vec<&Keypair> {
        let count = usize::from(header.num_required_signatures);
        accounts[..count]
            .iter()
            .map(|key| &self.keys[key])
            .collect()
    }

    /// Runs a transaction as it is.
    ///
    /// # Errors
    /// Why it failed.
    pub fn send_transaction(
        &mut self,
        transaction: impl Into<VersionedTransaction>,
    ) -> Result<TransactionMetadata, Box<FailedTransactionMetadata>> {
        self.svm.send_transaction(transaction).map_err(Box::new)
    }

    /// Runs a transaction as it is, which must succeed.
    ///
    /// # Panics
    /// With its logs if it failed.
    pub fn succeed_with(
        &mut self,
        transaction: impl Into<VersionedTransaction>,
    ) -> TransactionMetadata {
        succeeded(self.send_transaction(transaction))
    }

    /// What [`Self::send`] would do, without doing it.
    ///
    /// # Errors
    /// Why it would fail.
    pub fn simulate(
        &mut self,
        instructions: &[Instruction],
    ) -> Result<SimulatedTransactionInfo, Box<FailedTransactionMetadata>> {
        let transaction = self.with_most_compute_units(instructions);
        self.svm.simulate_transaction(transaction).map_err(Box::new)
    }

    /// Runs a transaction that must succeed.
    ///
    /// # Panics
    /// With its logs if it failed.
    pub fn succeed(&mut self, instructions: &[Instruction]) -> TransactionMetadata {
        succeeded(self.send(instructions))
    }

    /// Runs an instruction that must fail in a program, and returns the program's code.
    ///
    /// # Panics
    /// With its logs if it succeeded or failed in another way.
    pub fn refused(&mut self, instruction: Instruction) -> u32 {
        match self.send(&[instruction]) {
            Ok(meta) => panic!("succeeded\n{}", meta.pretty_logs()),
            Err(failure) => match failure.err {
                TransactionError::InstructionError(_, InstructionError::Custom(code)) => code,
                other => panic!("{other:?}\n{}", failure.meta.pretty_logs()),
            },
        }
    }

    /// The clock as the program sees it.
    #[must_use]
    pub fn time(&self) -> ChainTime {
        let clock: Clock = self.svm.get_sysvar();
        ChainTime {
            unix_timestamp: clock.unix_timestamp,
            slot: clock.slot,
        }
    }

    /// A slot whose hash the chain knows; the lookup table program asks for one.
    ///
    /// # Panics
    /// Never: the engine starts with one.
    #[must_use]
    pub fn hashed_slot(&self) -> u64 {
        let hashes: SlotHashes = self.svm.get_sysvar();
        hashes.first().expect("the engine starts with one").0
    }

    /// Sets the clock.
    pub fn set_time(&mut self, time: ChainTime) {
        self.svm.warp_to_slot(time.slot);
        let mut clock: Clock = self.svm.get_sysvar();
        clock.unix_timestamp = time.unix_timestamp;
        clock.slot = time.slot;
        self.svm.set_sysvar(&clock);
    }

    /// Moves the clock forward.
    pub fn pass(&mut self, seconds: i64, slots: u64) {
        let now = self.time();
        self.set_time(ChainTime {
            unix_timestamp: now.unix_timestamp + seconds,
            slot: now.slot + slots,
        });
    }

    /// An account, or `None` if it does not exist.
    #[must_use]
    pub fn account(&self, address: &Pubkey) -> Option<Account> {
        self.svm
            .get_account(address)
            .filter(|account| account.lamports > 0)
    }

    /// An account's lamports.
    #[must_use]
    pub fn lamports(&self, address: &Pubkey) -> u64 {
        self.account(address).map_or(0, |account| account.lamports)
    }

    /// What `length` bytes cost in rent.
    #[must_use]
    pub fn rent(&self, length: usize) -> u64 {
        self.svm.minimum_balance_for_rent_exemption(length)
    }

    /// Overwrites an account, for states that only another program or a later version could make.
    ///
    /// # Panics
    /// If the engine refuses it.
    pub fn set_account(&mut self, address: &Pubkey, account: Account) {
        self.svm
            .set_account(*address, account)
            .expect("the engine takes the account");
    }

    /// Gives an address lamports, whether or not somebody has its key.
    ///
    /// # Panics
    /// If the faucet is empty.
    pub fn airdrop(&mut self, address: &Pubkey, lamports: u64) {
        self.svm
            .airdrop(address, lamports)
            .expect("the faucet has enough");
    }
}

fn succeeded(
    outcome: Result<TransactionMetadata, Box<FailedTransactionMetadata>>,
) -> TransactionMetadata {
    outcome.unwrap_or_else(|failure| panic!("{:?}\n{}", failure.err, failure.meta.pretty_logs()))
}

/// An engine with mainnet's features.
fn mainnet() -> LiteSVM {
    LiteSVM::default()
        .with_mainnet_features()
        .with_builtins()
        .with_lamports(u64::MAX / 2)
        .with_sysvars()
        .with_precompiles()
        .with_default_programs()
}
