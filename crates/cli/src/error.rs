//! What a command can fail with: a message that says what to do next, a stable code for `--json`, and
//! an exit code.
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

/// Refused or failed.
pub const EXIT_FAILED: u8 = 1;
/// The command line, a configuration or a key file is wrong; clap uses the same.
pub const EXIT_USAGE: u8 = 2;
/// A node or a provider cannot be reached.
pub const EXIT_UNREACHABLE: u8 = 3;
/// The provider did not accept the payment.
pub const EXIT_PAYMENT: u8 = 4;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The chain's side.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Arguments or configuration that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The state of things does not allow it.
    #[error("{0}")]
    Failed(String),
    /// A provider cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A provider did not accept the payment.
    #[error("{message}")]
    Payment {
        /// The provider's code, in snake case.
        code: String,
        /// Why, and what to do next.
        message: String,
    },
}

impl CliError {
    /// Arguments or configuration that cannot be meant.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The state of things does not allow it.
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

    /// Stable, in snake case.
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
