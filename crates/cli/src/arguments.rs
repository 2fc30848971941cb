//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use farthing_protocol::BaseUnits;
use farthing_wire::amount::parse_usdc;
use solana_sdk::pubkey::Pubkey;

/// Which node, and which program on it.
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
    /// Trust this program instead of the one known on the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
}

/// Who signs and who pays.
#[derive(Debug, Clone, Args)]
pub struct SignerArgs {
    /// Key file of whoever acts
    #[arg(long, short = 'k', env = "FARTHING_KEYPAIR", value_name = "FILE")]
    pub keypair: PathBuf,
    /// Key file of who pays fees and rent, by default the same
    #[arg(long, env = "FARTHING_FEE_PAYER", value_name = "FILE")]
    pub fee_payer: Option<PathBuf>,
}

/// Reads an amount that a person typed.
pub(crate) fn usdc(text: &str) -> Result<BaseUnits, String> {
    parse_usdc(text).map_err(|error| error.to_string())
}

/// Reads an amount that is not nothing.
pub(crate) fn positive_usdc(text: &str) -> Result<BaseUnits, String> {
    match usdc(text)? {
        BaseUnits::ZERO => Err("the amount must be more than zero".to_owned()),
        amount => Ok(amount),
    }
}
