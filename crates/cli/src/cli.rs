//! The command line: the tree of commands. The arguments of a command are defined in its own module, and so is what it
//! does.

use clap::{Parser, Subcommand};

use crate::commands::channel::args::ChannelCommand;
#[cfg(feature = "dev")]
use crate::commands::dev::args::DevArgs;
use crate::commands::escrow::args::EscrowCommand;
use crate::commands::pay::args::PayArgs;
use crate::commands::program::args::ProgramCommand;
use crate::commands::receipt::args::ReceiptCommand;
use crate::commands::reconcile::args::ReconcileArgs;
use crate::commands::serve::args::ServeArgs;
use crate::commands::store::args::StoreCommand;

/// Pay per inference on Solana: prepay once, sign a voucher per request, settle together.
#[derive(Debug, Parser)]
#[command(name = "farthing", version, propagate_version = true)]
pub struct Cli {
    /// Print results and errors as JSON, amounts in base units
    #[arg(long, global = true)]
    pub json: bool,
    /// Command to run
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Manage an escrow, the prepaid funds of an owner: create, fund, show, withdraw, close
    #[command(subcommand)]
    Escrow(EscrowCommand),
    /// Manage a channel, funds locked for one provider with a lane per agent: open, fund, show, close
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Sell an OpenAI-compatible upstream per inference and settle on-chain
    Serve(Box<ServeArgs>),
    /// Inspect, back up, restore and check the verifier's ledger on disk
    #[command(subcommand)]
    Store(StoreCommand),
    /// Compare a restored store with the chain; required before the verifier serves from it
    Reconcile(ReconcileArgs),
    /// Make one paid call, or run a local proxy that pays for any OpenAI client
    Pay(Box<PayArgs>),
    /// Check receipts, in which providers sign what they charged
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Deploy or upgrade the on-chain program, verify it against a build, change its authority
    #[command(subcommand)]
    Program(Box<ProgramCommand>),
    /// Run a complete demo on this machine: a local chain, a provider and agents that pay it
    #[cfg(feature = "dev")]
    Dev(DevArgs),
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
