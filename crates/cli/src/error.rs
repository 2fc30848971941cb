//! The error of a command: a message that says what to do next, a stable code for `--json`, and an exit code.
//!
//! | exit | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed; nothing changed unless the message says so |
//! | 2 | the command line, a configuration or a key file is wrong |
//! | 3 | a node or a provider cannot be reached |
//! | 4 | the provider did not accept the payment |

use farthing_chain::ChainError;
use farthing_chain::keys::KeyFileError;

/// Exit code of a command that was refused or failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit code if the command line, a configuration or a key file is wrong; clap uses the same code.
pub const EXIT_USAGE: u8 = 2;
/// Exit code if a node or a provider cannot be reached.
pub const EXIT_UNREACHABLE: u8 = 3;
/// Exit code if the provider did not accept the payment.
pub const EXIT_PAYMENT: u8 = 4;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An error of the chain client: the node, an account or a transaction.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key file is missing or invalid.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The arguments or the configuration are invalid.
    #[error("{0}")]
    Usage(String),
    /// The operation failed, or the current state does not allow it.
    #[error("{0}")]
    Failed(String),
    /// A provider cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A provider did not accept the payment.
    #[error("{message}")]
    Payment {
        /// The provider's error code, in snake case.
        code: String,
        /// Why, and what to do next.
        message: String,
    },
}

impl CliError {
    /// An error for invalid arguments or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// An error for an operation that failed, or that the current state does not allow.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::KeyFile(_) | Self::Usage(_) => EXIT_USAGE,
            Self::Chain(ChainError::Rpc { .. } | ChainError::Unusable(_))
            | Self::Unreachable(_) => EXIT_UNREACHABLE,
            Self::Payment { .. } => EXIT_PAYMENT,
            Self::Chain(_) | Self::Failed(_) => EXIT_FAILED,
        }
    }

    /// The error's stable code, in snake case, for `--json`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::KeyFile(_) => "key_file",
            Self::Usage(_) => "usage",
            Self::Unreachable(_) => "unreachable",
            Self::Failed(_) => "failed",
            Self::Payment { code, .. } => code,
            Self::Chain(error) => match error {
                ChainError::Rpc { .. } | ChainError::Unusable(_) => "rpc",
                ChainError::Refused { .. } => "program_refused",
                ChainError::Expired { .. } => "expired",
                ChainError::WrongProgram { .. }
                | ChainError::Account { .. }
                | ChainError::Malformed { .. } => "wrong_account",
                ChainError::Failed { .. } | ChainError::Unsignable(_) => "transaction_failed",
            },
        }
    }
}
