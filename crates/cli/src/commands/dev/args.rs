//! Arguments of `farthing dev`.

use clap::Args;

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Number of agents, each with its own key and lane
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub agents: u16,
    /// Number of paid requests of each agent
    #[arg(long, default_value_t = 25, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub requests: u32,
    /// Sell this OpenAI-compatible upstream instead of the demo model; its API key, if it needs one, is read
    /// from FARTHING_HTTP_UPSTREAM_API_KEY
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Model of the upstream that the agents use; by default the first one that it lists
    #[arg(long, value_name = "NAME", requires = "upstream")]
    pub model: Option<String>,
    /// Keep everything running afterwards, with a funded channel to try out
    #[arg(long)]
    pub keep: bool,
}
