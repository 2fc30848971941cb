//! Arguments of `farthing serve`. Every setting of `farthing.toml` can also be given as an environment variable
//! `FARTHING_<SECTION>_<KEY>`; the most common ones have flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use solana_sdk::pubkey::Pubkey;

/// Arguments of `serve`. Flags take precedence over the environment, and the environment over the file.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration file; by default farthing.toml if it exists
    #[arg(long, env = "FARTHING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Key file of the settler, which signs settlements and receipts and pays the fees of settlement
    #[arg(
        long,
        env = "FARTHING_SETTLER_KEY",
        value_name = "FILE",
        required_unless_present = "print_config"
    )]
    pub settler_key: Option<PathBuf>,
    /// Print the effective configuration, every key with its unit, default and meaning but without secrets, and exit
    #[arg(long)]
    pub print_config: bool,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address to serve GET /metrics and GET /healthz on, by default none; keep it private, because the metrics show
    /// what is earned
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
    /// The provider's wallet, which receives the payments
    #[arg(long, value_name = "ADDRESS")]
    pub payee: Option<Pubkey>,
    /// Program to trust instead of the one known for the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
    /// Mint to accept; by default the cluster's USDC
    #[arg(long, value_name = "ADDRESS")]
    pub mint: Option<Pubkey>,
    /// Database file of the ledger
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}
