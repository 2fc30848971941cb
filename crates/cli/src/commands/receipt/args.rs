//! Arguments of `farthing receipt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use solana_sdk::pubkey::Pubkey;

/// Check receipts, in which providers sign what they charged.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check who signed a receipt and show what it says; exit status 1 if the receipt is not valid
    Verify(VerifyArgs),
}

/// Arguments of `receipt verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// File with the receipt, - for stdin: the token, a PAYMENT-RESPONSE header, a whole stream, or the output of
    /// `farthing pay --json`
    #[arg(value_name = "FILE")]
    pub receipt: PathBuf,
    /// The settler that must have signed
    #[arg(long, value_name = "ADDRESS", conflicts_with = "url")]
    pub settler: Option<Pubkey>,
    /// Accept a settler in the key set that the provider at this URL publishes
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// URL of a Solana RPC node, from which the settler of the receipt's channel is read; not used with --settler or
    /// --url
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: Option<String>,
    /// Program to trust instead of the one known for the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// File with the exact body of the request that the receipt must be for
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Path of that request, with its query if it had one
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/v1/chat/completions",
        requires = "body"
    )]
    pub path: String,
    /// Method of that request
    #[arg(long, value_name = "NAME", default_value = "POST", requires = "body")]
    pub method: String,
}
