//! Arguments of `farthing reconcile`.

use clap::Args;
use solana_sdk::pubkey::Pubkey;

use crate::commands::store::args::WhichStore;

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The store
    #[command(flatten)]
    pub which: WhichStore,
    /// URL of a Solana RPC node; by default that of the configuration
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: Option<String>,
    /// Program to trust instead of the configured one or the one known for the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// Address of a channel that may be missing from the store; can be given several times
    #[arg(long = "channel", value_name = "ADDRESS")]
    pub channels: Vec<Pubkey>,
    /// Only report, change nothing
    #[arg(long)]
    pub dry_run: bool,
}
