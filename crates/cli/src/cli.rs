//! What can be typed: the tree of commands. Each one's arguments stand with it; nothing here does anything.

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
