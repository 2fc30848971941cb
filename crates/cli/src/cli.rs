//! What can be typed. Each command's arguments are in a module of its own; nothing here does anything.

pub mod channel;
#[cfg(feature = "dev")]
pub mod dev;
pub mod escrow;
pub mod pay;
pub mod program;
pub mod receipt;
pub mod reconcile;
pub mod serve;
pub mod store;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use farthing_protocol::BaseUnits;
use farthing_wire::amount::parse_usdc;
use solana_sdk::pubkey::Pubkey;

pub use channel::ChannelCommand;
#[cfg(feature = "dev")]
pub use dev::DevArgs;
pub use escrow::EscrowCommand;
pub use pay::PayArgs;
pub use program::ProgramCommand;
pub use receipt::ReceiptCommand;
pub use reconcile::ReconcileArgs;
pub use serve::ServeArgs;
pub use store::StoreCommand;

/// Pay per inference on Solana: prepay once, sign a voucher per request, settle together.
#[derive(Debug, Parser)]
#[command(name = "farthing", version, propagate_version = true)]
pub struct Cli {
    /// Print results and errors as JSON, amounts in base units
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prepaid funds of an owner: create, fund, look, withdraw, close
    #[command(subcommand)]
    Escrow(EscrowCommand),
    /// Funds locked for one provider, with a lane per agent: open, fund, look, close
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Sell an OpenAI-compatible upstream per inference, and settle
    Serve(Box<ServeArgs>),
    /// The verifier's ledger on disk: look, back up, restore, check
    #[command(subcommand)]
    Store(StoreCommand),
    /// Compare a store that was restored with the chain, before it is served from again
    Reconcile(ReconcileArgs),
    /// Make one paid call and print the answer and its receipt
    Pay(Box<PayArgs>),
    /// What providers signed that they charged: check it
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// The on-chain program itself: deploy, compare with a build, hand over
    #[command(subcommand)]
    Program(Box<ProgramCommand>),
    /// Run a whole economy on this machine: a local chain, a provider and a swarm that pays it
    #[cfg(feature = "dev")]
    Dev(DevArgs),
}

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
