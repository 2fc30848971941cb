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
    /// URL of a Solana RPC node, by default the configuration's
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: Option<String>,
    /// Trust this program instead of the configuration's, or the one known on the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// A channel that the store may not know; can be given several times
    #[arg(long = "channel", value_name = "ADDRESS")]
    pub channels: Vec<Pubkey>,
    /// Only report, change nothing
    #[arg(long)]
    pub dry_run: bool,
}
