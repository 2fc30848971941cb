//! Arguments of `farthing receipt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use solana_sdk::pubkey::Pubkey;

/// What providers signed that they charged.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check who signed a receipt and show what it says; exit status 1 if it proves nothing
    Verify(VerifyArgs),
}

/// Arguments of `receipt verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The receipt, - for stdin: the token, a PAYMENT-RESPONSE header, a stream, or what `farthing pay --json` printed
    #[arg(value_name = "FILE")]
    pub receipt: PathBuf,
    /// The settler that must have signed
    #[arg(long, value_name = "ADDRESS", conflicts_with = "url")]
    pub settler: Option<Pubkey>,
    /// Believe the key set that the provider at this URL publishes
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Without the two: URL of a Solana RPC node, which knows the settler of the receipt's channel
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: Option<String>,
    /// Trust this program instead of the one known on the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// A file with the request's body, byte for byte, that the receipt must be for
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The path, and query if there was one, of that request
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/v1/chat/completions",
        requires = "body"
    )]
    pub path: String,
    /// The method of that request
    #[arg(long, value_name = "NAME", default_value = "POST", requires = "body")]
    pub method: String,
}
