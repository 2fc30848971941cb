//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use farthing_protocol::BaseUnits;
use farthing_wire::amount::parse_usdc;
use solana_sdk::pubkey::Pubkey;

/// The Solana node to use, and the program to trust on its cluster.
#[derive(Debug, Clone, Args)]
pub struct ChainArgs {
    /// URL of a Solana RPC node
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: String,
    /// Program to trust instead of the one known for the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
}

/// The keys that sign a transaction and pay for it.
#[derive(Debug, Clone, Args)]
pub struct SignerArgs {
    /// Key file that signs for this command
    #[arg(long, short = 'k', env = "FARTHING_KEYPAIR", value_name = "FILE")]
    pub keypair: PathBuf,
    /// Key file that pays fees and rent; by default the same as --keypair
    #[arg(long, env = "FARTHING_FEE_PAYER", value_name = "FILE")]
    pub fee_payer: Option<PathBuf>,
}

/// Parses an amount of USDC from the command line.
pub(crate) fn usdc(text: &str) -> Result<BaseUnits, String> {
    parse_usdc(text).map_err(|error| error.to_string())
}

/// Parses an amount of USDC from the command line and refuses zero.
pub(crate) fn positive_usdc(text: &str) -> Result<BaseUnits, String> {
    match usdc(text)? {
        BaseUnits::ZERO => Err("the amount must be more than zero".to_owned()),
        amount => Ok(amount),
    }
}
