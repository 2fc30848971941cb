//! Runs the bytecode on arbitrary bytes, and checks the outcome.
//!
//! Transactions are simulated, so every input runs on the same state and cannot affect the next one.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use solana_sdk::account::Account;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::TransactionError;

use crate::program::Chain;
use crate::program::stage::{INSTRUCTIONS, Stage};

/// Granularity in compute units of a [`Path`], so that a longer search for an address does not count as another path
/// through the program.
const COMPUTE_UNITS_OF_A_PATH: u64 = 256;

/// Log message of the runtime if a program-derived address is to sign a call but its seeds are wrong. The runtime then
/// aborts the program, with the same error as for a program that crashed. Only an escrow that the program did not write
/// has wrong seeds.
const NO_SUCH_SIGNER: &str = "Could not create program address with signer seeds";

/// The path of an input through the bytecode, as far as instruction, outcome and cost reveal it.
///
/// libFuzzer looks for inputs that reach new code, and cannot look into the bytecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Path(pub u64);

/// The outcome of an instruction.
#[derive(Debug)]
pub struct Outcome {
    /// The accounts afterwards, or why it was refused.
    pub result: Result<Vec<(Pubkey, Account)>, InstructionError>,
    /// The path through the bytecode.
    pub path: Path,
}

impl Outcome {
    /// The code of the program that refused, if one did.
    #[must_use]
    pub const fn code(&self) -> Option<u32> {
        match self.result {
            Err(InstructionError::Custom(code)) => Some(code),
            _ => None,
        }
    }
}

/// A stage, with instructions that all succeed on it.
pub struct Bytecode {
    /// The stage.
    pub stage: Stage,
    /// The instructions in the order of their numbers.
    pub right: Vec<Instruction>,
}

/// Runs `act` on this thread's stage.
///
/// # Panics
/// If `act` does.
pub fn with<R>(act: impl FnOnce(&mut Bytecode) -> R) -> R {
    thread_local! {
        static BYTECODE: RefCell<Bytecode> = RefCell::new(Bytecode::new());
    }
    BYTECODE.with_borrow_mut(act)
}

impl Bytecode {
    fn new() -> Self {
        let mut stage = Stage::on(Chain::without_transaction_checks());
        let right = INSTRUCTIONS
            .iter()
            .map(|(_, build)| build(&mut stage).1)
            .collect();
        Self { stage, right }
    }

    /// Simulates an instruction.
    ///
    /// # Panics
    /// If the program does not end by itself: if it panics, runs out of memory or compute units, accesses memory or
    /// accounts that it must not, or fails with an error that no program returns on purpose.
    pub fn simulate(&mut self, instruction: Instruction) -> Outcome {
        let number = instruction.data.first().copied();
        let (result, compute_units) = match self.stage.world.chain.simulate(&[instruction]) {
            Ok(done) => {
                let accounts = done.post_accounts.into_iter();
                let accounts = accounts.map(|(address, account)| (address, account.into()));
                (Ok(accounts.collect()), done.meta.compute_units_consumed)
            }
            Err(failure) => {
                let logs = &failure.meta.logs;
                let error = match failure.err {
                    TransactionError::InstructionError(_, error) if is_clean(&error, logs) => error,
                    error => panic!("{error:?}\n{}", failure.meta.pretty_logs()),
                };
                (Err(error), failure.meta.compute_units_consumed)
            }
        };
        let mut outcome = Outcome {
            result,
            path: Path::default(),
        };
        let error = outcome.result.as_ref().err().map(std::mem::discriminant);
        let steps = compute_units / COMPUTE_UNITS_OF_A_PATH;
        let mut hasher = DefaultHasher::new();
        (number, error, outcome.code(), steps).hash(&mut hasher);
        outcome.path = Path(hasher.finish());
        outcome
    }
}

/// Whether the error is a deliberate refusal by a program, or by the runtime when a program called it.
fn is_clean(error: &InstructionError, logs: &[String]) -> bool {
    match error {
        InstructionError::Custom(_)
        | InstructionError::InvalidAccountData
        | InstructionError::MissingAccount
        | InstructionError::PrivilegeEscalation => true,
        InstructionError::ProgramFailedToComplete => logs
            .last()
            .is_some_and(|last| last.contains(NO_SUCH_SIGNER)),
        _ => false,
    }
}
