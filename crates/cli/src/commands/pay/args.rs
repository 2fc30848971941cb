//! Arguments of `farthing pay`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::positive_usdc;

/// Arguments of `pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// URL of the provider, with or without /v1
    pub url: String,
    /// What to ask; needs --model
    #[arg(requires = "model", conflicts_with_all = ["data", "data_file"])]
    pub prompt: Option<String>,
    /// The model to ask
    #[arg(long, value_name = "NAME", requires = "prompt")]
    pub model: Option<String>,
    /// Most output tokens
    #[arg(long, value_name = "N", requires = "prompt")]
    pub max_tokens: Option<u32>,
    /// The request's body instead, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "data_file")]
    pub data: Option<String>,
    /// A file with the request's body instead, - for stdin
    #[arg(long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,
    /// Ask for a stream and print the answer as it arrives
    #[arg(long)]
    pub stream: bool,
    /// Pay nothing: show what the request would cost at most, and the provider's terms
    #[arg(long)]
    pub quote: bool,
    /// Pay for every request that comes to this address, such as 127.0.0.1:8400: a base URL for any OpenAI client
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["prompt", "data", "data_file", "stream", "quote"]
    )]
    pub listen: Option<SocketAddr>,
    /// The channel that pays
    #[arg(
        long,
        env = "FARTHING_CHANNEL",
        value_name = "ADDRESS",
        required_unless_present = "quote"
    )]
    pub channel: Option<Pubkey>,
    /// The lane that pays
    #[arg(long, env = "FARTHING_LANE", value_name = "N", default_value_t = 0)]
    pub lane: u16,
    /// Key file of the lane
    #[arg(
        long,
        env = "FARTHING_LANE_KEY",
        value_name = "FILE",
        required_unless_present = "quote"
    )]
    pub lane_key: Option<PathBuf>,
    /// Refuse to pay more than this for a request, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC")]
    pub max_price: Option<BaseUnits>,
    /// Buy in this tier, such as priority; in the provider's standard one by default
    #[arg(long, env = "FARTHING_TIER", value_name = "NAME")]
    pub tier: Option<String>,
    /// URL of a Solana RPC node, to check the channel
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "quote"
    )]
    pub rpc_url: Option<String>,
    /// Trust this program instead of the one known on the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
}
