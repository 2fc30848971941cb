//! Arguments of `farthing escrow`.

use clap::{Args, Subcommand};
use farthing_protocol::BaseUnits;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::{ChainArgs, SignerArgs, positive_usdc};

/// Prepaid funds of an owner.
#[derive(Debug, Subcommand)]
pub enum EscrowCommand {
    /// Create an escrow and its vault; --keypair must be the owner's
    Create(CreateEscrowArgs),
    /// Send USDC from a wallet's token account to the vault
    Fund(FundEscrowArgs),
    /// Show an escrow: the balance of its vault, and what of it is locked in channels and free
    Status(EscrowStatusArgs),
    /// Withdraw free funds; --keypair must be the owner's
    Withdraw(WithdrawArgs),
    /// Close an escrow that has no open channels; the remaining funds go to the owner
    Close(CloseEscrowArgs),
}

/// Arguments of `escrow create`.
#[derive(Debug, Args)]
pub struct CreateEscrowArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The owner
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Number that distinguishes escrows of the same owner
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub id: u64,
    /// Mint of the escrow; by default the cluster's USDC
    #[arg(long, value_name = "ADDRESS")]
    pub mint: Option<Pubkey>,
}

/// Arguments of `escrow fund`.
#[derive(Debug, Args)]
pub struct FundEscrowArgs {
    /// The escrow's address
    pub escrow: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// USDC to send
    #[arg(long, value_parser = positive_usdc, value_name = "USDC")]
    pub amount: BaseUnits,
    /// Key file of the wallet that sends the funds
    #[arg(
        long,
        short = 'k',
        env = "FARTHING_KEYPAIR",
        value_name = "FILE",
        required_unless_present = "unsigned_for"
    )]
    pub keypair: Option<std::path::PathBuf>,
    /// Token account to send from; by default the wallet's associated token account
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<Pubkey>,
    /// Do not send: print the transfer as an unsigned transaction for this wallet to sign
    #[arg(long, value_name = "WALLET")]
    pub unsigned_for: Option<Pubkey>,
}

/// Arguments of `escrow status`.
#[derive(Debug, Args)]
pub struct EscrowStatusArgs {
    /// The escrow's address
    #[arg(required_unless_present = "owner", conflicts_with = "owner")]
    pub escrow: Option<Pubkey>,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Find the escrow by its owner instead
    #[arg(long, value_name = "WALLET")]
    pub owner: Option<Pubkey>,
    /// Number of the escrow among those of the owner
    #[arg(long, default_value_t = 0, requires = "owner", value_name = "N")]
    pub id: u64,
    /// Mint of the escrow; by default the cluster's USDC
    #[arg(long, requires = "owner", value_name = "ADDRESS")]
    pub mint: Option<Pubkey>,
}

/// Arguments of `escrow withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// The escrow's address
    pub escrow: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The owner
    #[command(flatten)]
    pub signer: SignerArgs,
    /// USDC to withdraw
    #[arg(
        long,
        value_parser = positive_usdc,
        value_name = "USDC",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub amount: Option<BaseUnits>,
    /// Withdraw all free funds
    #[arg(long)]
    pub all: bool,
    /// Token account to pay to; by default the owner's associated token account
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Pubkey>,
}

/// Arguments of `escrow close`.
#[derive(Debug, Args)]
pub struct CloseEscrowArgs {
    /// The escrow's address
    pub escrow: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The owner or, if the escrow is empty, its rent payer
    #[command(flatten)]
    pub signer: SignerArgs,
}
