//! Arguments of `farthing serve`. Every setting of `farthing.toml` can also be given by the environment,
//! as `FARTHING_<SECTION>_<KEY>`; the most common have flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use solana_sdk::pubkey::Pubkey;

/// Arguments of `serve`: flags over environment over file.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration file, by default farthing.toml if there is one
    #[arg(long, env = "FARTHING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Key file of the settler, which pays the fees of settlement
    #[arg(
        long,
        env = "FARTHING_SETTLER_KEY",
        value_name = "FILE",
        required_unless_present = "print_config"
    )]
    pub settler_key: Option<PathBuf>,
    /// Print the configuration that is in force, every key with its unit, default and meaning, and end; without secrets
    #[arg(long)]
    pub print_config: bool,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address of GET /metrics and GET /healthz for the operator, by default none; it tells what is earned
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// OpenAI-compatible upstream to sell
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// URL of a Solana RPC node
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub rpc_url: Option<String>,
    /// Wallet that earns
    #[arg(long, value_name = "ADDRESS")]
    pub payee: Option<Pubkey>,
    /// Trust this program instead of the one known on the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// Mint to accept, by default the cluster's USDC
    #[arg(long, value_name = "ADDRESS")]
    pub mint: Option<Pubkey>,
    /// Database file of the ledger
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}
