//! Arguments of `farthing program`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use farthing_chain::BytecodeHash;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::{ChainArgs, SignerArgs};

/// Deploy and manage the on-chain program through the upgradeable loader.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Deploy the program, or upgrade it; --keypair must be the upgrade authority's
    Deploy(DeployArgs),
    /// Write the bytecode to a buffer and transfer the buffer to the upgrade authority, for example a multisig, which
    /// then upgrades from it; --keypair writes and pays
    Buffer(BufferArgs),
    /// Compare the bytecode on the chain with a build; needs no key
    Verify(VerifyArgs),
    /// Set another upgrade authority, or remove it for ever; --keypair must be the present authority's
    SetAuthority(SetAuthorityArgs),
    /// Close a buffer and get its lamports back; --keypair must be the buffer authority's
    CloseBuffer(CloseBufferArgs),
}

/// Arguments of the commands that write bytecode to a buffer.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// File with the bytecode, as built by `anchor build`
    #[arg(long, default_value = "target/deploy/farthing.so", value_name = "FILE")]
    pub bytecode: PathBuf,
    /// Key file of the buffer: created if it is missing, removed when the buffer is no longer needed. If a run is
    /// interrupted, another one with the same file writes only what is missing
    #[arg(
        long,
        env = "FARTHING_BUFFER_KEYPAIR",
        default_value = "farthing-buffer.json",
        value_name = "FILE"
    )]
    pub buffer_keypair: PathBuf,
    /// Priority fee for each compute unit; raise it if transactions do not land
    #[arg(
        long,
        env = "FARTHING_COMPUTE_UNIT_PRICE",
        default_value_t = 0,
        value_name = "MICRO_LAMPORTS"
    )]
    pub compute_unit_price: u64,
}

/// Arguments of `program deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The upgrade authority
    #[command(flatten)]
    pub signer: SignerArgs,
    /// The bytecode
    #[command(flatten)]
    pub write: WriteArgs,
    /// Key file of the program's address, for its first deployment only
    #[arg(long, env = "FARTHING_PROGRAM_KEYPAIR", value_name = "FILE")]
    pub program_keypair: Option<PathBuf>,
    /// Space to allocate for the bytecode, to leave room for longer upgrades; by default the bytecode's length. It
    /// costs rent and can be extended later
    #[arg(long, value_name = "BYTES")]
    pub max_length: Option<usize>,
}

/// Arguments of `program buffer`.
#[derive(Debug, Args)]
pub struct BufferArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The key that writes and pays
    #[command(flatten)]
    pub signer: SignerArgs,
    /// The bytecode
    #[command(flatten)]
    pub write: WriteArgs,
    /// Address to transfer the buffer to; by default the program's upgrade authority
    #[arg(long, value_name = "ADDRESS")]
    pub authority: Option<Pubkey>,
}

/// Arguments of `program verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// File with the build to compare with
    #[arg(
        long,
        default_value = "target/deploy/farthing.so",
        value_name = "FILE",
        conflicts_with = "hash"
    )]
    pub bytecode: PathBuf,
    /// Hash of the build instead of a file, as printed by `solana-verify get-executable-hash`
    #[arg(long, value_name = "HEX")]
    pub hash: Option<BytecodeHash>,
    /// Compare this buffer instead of the program
    #[arg(long, value_name = "ADDRESS")]
    pub buffer: Option<Pubkey>,
}

/// Arguments of `program set-authority`.
#[derive(Debug, Args)]
pub struct SetAuthorityArgs {
    /// The new upgrade authority; for a multisig, the address of its vault, not of its settings
    #[arg(
        required_unless_present = "final",
        conflicts_with = "final",
        value_name = "ADDRESS"
    )]
    pub new: Option<Pubkey>,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The present upgrade authority
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Make the program immutable: nobody can ever upgrade it again
    #[arg(long, requires = "confirm")]
    pub r#final: bool,
    /// The program's address again, as a confirmation, because --final cannot be undone
    #[arg(long, requires = "final", value_name = "PROGRAM")]
    pub confirm: Option<Pubkey>,
    /// Accept a new authority that is an account of another program, if that program signs for it
    #[arg(long, conflicts_with = "final")]
    pub owned_by_program: bool,
}

/// Arguments of `program close-buffer`.
#[derive(Debug, Args)]
pub struct CloseBufferArgs {
    /// The buffer's address
    pub buffer: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The buffer's authority
    #[command(flatten)]
    pub signer: SignerArgs,
}
