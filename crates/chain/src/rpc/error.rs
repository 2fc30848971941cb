//! Errors of the node, the program and transactions, with what to do next.

use std::fmt;

use farthing_wire::causes::with_causes;
use solana_client::client_error::{ClientError, ClientErrorKind};
use solana_client::rpc_request::{RpcError, RpcResponseErrorData};
use solana_sdk::instruction::InstructionError;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction_error::TransactionError;

use crate::accounts::AccountError;
use crate::refusal::explain;

/// The most lines of a program's log that an error shows.
const MAX_LOG_LINES: usize = 6;
/// Prefixes of the log lines that name an error, as Anchor and the runtime write them.
const TELLING_LOGS: [&str; 2] = ["Program log: AnchorError", "Program log: Error"];

/// An error of the node, the program or a transaction.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The node did not answer, or answered with an error or malformed data.
    #[error(
        "cannot {action} at {endpoint}: {message}; check the RPC URL (--rpc-url, FARTHING_RPC_URL or chain.rpc_url), and that the node is reachable"
    )]
    Rpc {
        /// The node.
        endpoint: Endpoint,
        /// What was tried.
        action: &'static str,
        /// Why it failed, without the node's URL.
        message: String,
    },
    /// The node answered something that cannot be used.
    #[error("the node did not answer as expected: {0}")]
    Unusable(String),
    /// The account belongs to another program.
    #[error(
        "account {address} belongs to program {owner}, not to {program}: check the address, and --program"
    )]
    WrongProgram {
        /// The account.
        address: Pubkey,
        /// The program that it belongs to.
        owner: Pubkey,
        /// The program that it should belong to.
        program: Pubkey,
    },
    /// The account belongs to the program, but cannot be decoded: it has another type or layout.
    #[error("account {address}: {source}")]
    Account {
        /// The account.
        address: Pubkey,
        /// What is wrong with it.
        source: AccountError,
    },
    /// An account that the cluster must have, such as the clock or the program, is missing or malformed.
    #[error(
        "account {address} is not a {kind}: check that --rpc-url is a node of the right cluster"
    )]
    Malformed {
        /// The account.
        address: Pubkey,
        /// What it should be.
        kind: &'static str,
    },
    /// The program refused the transaction; nothing changed except the fee, which was paid if the transaction landed.
    #[error("the program refused: {message}")]
    Refused {
        /// The program's error code.
        code: u32,
        /// Which rule was broken, and what to do next.
        message: String,
    },
    /// The transaction failed for another reason; nothing changed except the fee, which was paid if it landed.
    #[error("the transaction failed: {message}")]
    Failed {
        /// What failed.
        error: TransactionError,
        /// The error for people, with what to do next where that is known.
        message: String,
    },
    /// The transaction did not land before its blockhash expired, and never will.
    #[error(
        "transaction {signature} was not included before its blockhash expired, so nothing happened: repeat the command"
    )]
    Expired {
        /// The transaction.
        signature: Signature,
    },
    /// The transaction cannot be built or signed.
    #[error("the transaction cannot be signed: {0}")]
    Unsignable(String),
}

impl ChainError {
    /// The program's error code, if it was the program that refused.
    #[must_use]
    pub const fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the transaction itself is at fault, so that a retry cannot help. An unknown blockhash is no such fault:
    /// the node lags behind, or the transaction is late and will expire.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Failed { error, .. } => !matches!(error, TransactionError::BlockhashNotFound),
            _ => false,
        }
    }
}

/// A node's URL as errors show it: scheme, host and port, but never path, query or credentials, because RPC providers
/// put access keys there.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    shown: String,
    url: String,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl Endpoint {
    /// The error for a malformed answer of the node to `action`; `what` describes the answer.
    #[must_use]
    pub fn unexpected(&self, action: &'static str, what: &str) -> ChainError {
        ChainError::Rpc {
            endpoint: self.clone(),
            action,
            message: format!("it answered with {what}"),
        }
    }

    pub(super) fn new(url: &str) -> Self {
        let shown = url::Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .map(|url| url.origin().ascii_serialization());
        let shown = shown
            .unwrap_or_else(|| "the RPC URL, which must begin with http:// or https://".to_owned());
        Self {
            shown,
            url: url.to_owned(),
        }
    }

    /// Converts an error of the RPC client, without the URL that some of its messages carry.
    #[must_use]
    pub fn error(&self, action: &'static str, error: ClientError) -> ChainError {
        let logs = logs(&error).unwrap_or_default();
        if let Some(error) = error.get_transaction_error() {
            return transaction_failed(error, logs);
        }
        let message = match *error.kind {
            ClientErrorKind::Reqwest(error) => with_causes(&error.without_url()),
            ClientErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => {
                format!("the node answered {code}: {message}")
            }
            other => with_causes(&other),
        };
        ChainError::Rpc {
            endpoint: self.clone(),
            action,
            message: self.redact(&message),
        }
    }

    fn redact(&self, message: &str) -> String {
        let url = self.url.trim_end_matches('/');
        if url.is_empty() {
            return message.to_owned();
        }
        message.replace(url, &self.shown)
    }
}

fn logs(error: &ClientError) -> Option<Vec<String>> {
    match error.kind() {
        ClientErrorKind::RpcError(RpcError::RpcResponseError {
            data: RpcResponseErrorData::SendTransactionPreflightFailure(result),
            ..
        }) => result.logs.clone(),
        _ => None,
    }
}

/// Converts the error of a failed transaction and adds what to do next.
pub(super) fn transaction_failed(error: TransactionError, logs: Vec<String>) -> ChainError {
    if let TransactionError::InstructionError(_, InstructionError::Custom(code)) = error
        && let Some(message) = explain(code)
    {
        return ChainError::Refused {
            code,
            message: format!("{message} (code {code})"),
        };
    }
    let advice = match &error {
        TransactionError::AccountNotFound
        | TransactionError::InsufficientFundsForFee
        | TransactionError::InsufficientFundsForRent { .. } => {
            "; the key that pays fees and rent needs SOL: send it some"
        }
        TransactionError::BlockhashNotFound => {
            "; the node does not know the blockhash: repeat the command"
        }
        _ => "",
    };
    let mut telling: Vec<_> = logs
        .iter()
        .filter(|line| TELLING_LOGS.iter().any(|start| line.starts_with(start)))
        .map(String::as_str)
        .collect();
    if telling.is_empty() {
        telling = logs
            .iter()
            .rev()
            .take(MAX_LOG_LINES)
            .rev()
            .map(String::as_str)
            .collect();
    }
    let logs = if telling.is_empty() {
        String::new()
    } else {
        format!("; log: {}", telling.join(" | "))
    };
    ChainError::Failed {
        message: format!("{error}{advice}{logs}"),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_keys_in_the_url_are_never_shown() {
        let endpoint = Endpoint::new("https://user:pass@rpc.example.com/v1/SECRET?api-key=KEY");
        assert_eq!(endpoint.to_string(), "https://rpc.example.com");
        assert_eq!(format!("{endpoint:?}"), "\"https://rpc.example.com\"");
        let message = endpoint
            .redact("failed (https://user:pass@rpc.example.com/v1/SECRET?api-key=KEY): refused");
        assert_eq!(message, "failed (https://rpc.example.com): refused");
    }

    #[test]
    fn refusals_say_what_to_do() {
        let refused = |code| {
            let error = TransactionError::InstructionError(0, InstructionError::Custom(code));
            transaction_failed(error, vec!["Program log: AnchorError x".to_owned()])
        };
        assert_eq!(refused(6910).code(), Some(6910));
        assert!(
            refused(6910)
                .to_string()
                .contains("send USDC to its vault first")
        );
        // Codes of the token program and of Anchor are not explained here.
        assert_eq!(refused(1).code(), None);
        assert!(refused(1).to_string().contains("AnchorError x"));
    }
}
