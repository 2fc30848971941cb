//! Arguments of `farthing pay`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::positive_usdc;

/// Arguments of `pay`.
#[derive(Debug, Clone, Args)]
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
        required_unless_present_any = ["quote", "lane_keys"]
    )]
    pub lane_key: Option<PathBuf>,
    /// Refuse to pay more than this for a request, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", default_value = "0.25")]
    pub max_price: BaseUnits,
    /// Factor by which a price may rise while this runs; a higher one is refused
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_price_jump: u32,
    /// Arguments of `pay --listen`
    #[command(flatten)]
    pub proxy: ProxyArgs,
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

/// Arguments of `pay --listen`.
#[derive(Debug, Clone, Args)]
pub struct ProxyArgs {
    /// Pay from every lane whose key file is in this folder; the API key that a client sends chooses one, such as lane-7
    /// for lane-7.json
    #[arg(
        long,
        value_name = "DIR",
        requires = "listen",
        conflicts_with_all = ["lane_key", "lane"]
    )]
    pub lane_keys: Option<PathBuf>,
    /// Spend at most this in total, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", requires = "listen")]
    pub budget: Option<BaseUnits>,
    /// Spend at most this within an hour, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", requires = "listen")]
    pub budget_per_hour: Option<BaseUnits>,
    /// Spend at most this in total from each lane, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", requires = "lane_keys")]
    pub lane_budget: Option<BaseUnits>,
    /// Spend at most this within an hour from each lane, in USDC
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", requires = "lane_keys")]
    pub lane_budget_per_hour: Option<BaseUnits>,
    /// Seconds that a request may wait for others to end if the lane does not cover all of them at once
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(..=86_400)
    )]
    pub max_wait: u64,
    /// Seconds that an answer waits for the retry of a client that has disconnected before it got anything
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(..=86_400)
    )]
    pub retry_window: u64,
    /// Serve only clients that send this token as their API key, at least 16 characters
    #[arg(
        long,
        env = "FARTHING_PROXY_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        value_parser = token,
        requires = "listen"
    )]
    pub token: Option<String>,
    /// Serve requests for this host name too, besides those of the loopback interface
    #[arg(long, value_name = "NAME", requires = "listen")]
    pub allow_host: Vec<String>,
    /// Let web pages and desktop apps of this origin spend from the lane, such as app://obsidian.md
    #[arg(long, value_name = "ORIGIN", requires = "listen", value_parser = origin)]
    pub allow_origin: Vec<String>,
    /// Print a line for each request: model, tokens, charge; with --json an event
    #[arg(long, requires = "listen")]
    pub log: bool,
}

fn origin(text: &str) -> Result<String, String> {
    if text.contains("://") && !text.contains('*') && !text.ends_with('/') {
        Ok(text.to_owned())
    } else {
        Err("give one origin as pages send it, such as https://app.example.com; there is no pattern".to_owned())
    }
}

fn token(text: &str) -> Result<String, String> {
    let is_token = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_token
        .then(|| text.to_owned())
        .ok_or_else(|| "give at least 16 visible ASCII characters".to_owned())
}
