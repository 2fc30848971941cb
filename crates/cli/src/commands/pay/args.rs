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
    /// Prompt to send to the model; requires --model
    #[arg(requires = "model", conflicts_with_all = ["data", "data_file"])]
    pub prompt: Option<String>,
    /// Model to use
    #[arg(long, value_name = "NAME", requires = "prompt")]
    pub model: Option<String>,
    /// Maximum number of output tokens
    #[arg(long, value_name = "N", requires = "prompt")]
    pub max_tokens: Option<u32>,
    /// Request body as JSON, instead of a prompt
    #[arg(long, value_name = "JSON", conflicts_with = "data_file")]
    pub data: Option<String>,
    /// File with the request body, instead of a prompt; - for stdin
    #[arg(long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,
    /// Request a stream and print the answer as it arrives
    #[arg(long)]
    pub stream: bool,
    /// Do not pay: show the maximum cost of the request and the provider's terms
    #[arg(long)]
    pub quote: bool,
    /// Run a proxy at this address, such as 127.0.0.1:8400, that pays for every request it receives; use it as the
    /// base URL of any OpenAI client
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["prompt", "data", "data_file", "stream", "quote"]
    )]
    pub listen: Option<SocketAddr>,
    /// Address of the channel that pays
    #[arg(
        long,
        env = "FARTHING_CHANNEL",
        value_name = "ADDRESS",
        required_unless_present = "quote"
    )]
    pub channel: Option<Pubkey>,
    /// Index of the lane that pays
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
    /// Tier to buy in, such as priority; by default the provider's standard tier
    #[arg(long, env = "FARTHING_TIER", value_name = "NAME")]
    pub tier: Option<String>,
    /// URL of a Solana RPC node, used to check the channel
    #[arg(
        long,
        env = "FARTHING_RPC_URL",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "quote"
    )]
    pub rpc_url: Option<String>,
    /// Program to trust instead of the one known for the cluster
    #[arg(long, env = "FARTHING_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<Pubkey>,
}
