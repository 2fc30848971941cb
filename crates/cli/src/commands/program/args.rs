//! Arguments of `farthing program`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use farthing_chain::BytecodeHash;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::{ChainArgs, SignerArgs};

/// The program itself, through the upgradeable loader.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Deploy the program, or upgrade it; --keypair is the upgrade authority's
    Deploy(DeployArgs),
    /// Write a buffer and hand it over, for a multisig to upgrade from; --keypair pays and writes
    Buffer(BufferArgs),
    /// Compare what is on the chain with a build; needs no key
    Verify(VerifyArgs),
    /// Name another upgrade authority, or none for ever; --keypair is the present one's
    SetAuthority(SetAuthorityArgs),
    /// Give up a buffer and get its lamports back; --keypair is its authority's
    CloseBuffer(CloseBufferArgs),
}

/// What is written, and how.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// The bytecode, as `anchor build` leaves it
    #[arg(long, default_value = "target/deploy/farthing.so", value_name = "FILE")]
    pub bytecode: PathBuf,
    /// Key file of the buffer: made if it is missing, removed when the buffer has served; a second run
    /// with the same file writes only what is missing
    #[arg(
        long,
        env = "FARTHING_BUFFER_KEYPAIR",
        default_value = "farthing-buffer.json",
        value_name = "FILE"
    )]
    pub buffer_keypair: PathBuf,
    /// What to offer leaders for each compute unit; raise it when transactions do not land
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
    /// Space for longer bytecode in later upgrades, by default none; it costs rent and can be added later
    #[arg(long, value_name = "BYTES")]
    pub max_length: Option<usize>,
}

/// Arguments of `program buffer`.
#[derive(Debug, Args)]
pub struct BufferArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Who writes and pays
    #[command(flatten)]
    pub signer: SignerArgs,
    /// The bytecode
    #[command(flatten)]
    pub write: WriteArgs,
    /// Who gets the buffer, by default the program's upgrade authority
    #[arg(long, value_name = "ADDRESS")]
    pub authority: Option<Pubkey>,
}

/// Arguments of `program verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The build to compare with
    #[arg(
        long,
        default_value = "target/deploy/farthing.so",
        value_name = "FILE",
        conflicts_with = "hash"
    )]
    pub bytecode: PathBuf,
    /// Its hash instead, as `solana-verify get-executable-hash` prints it
    #[arg(long, value_name = "HEX")]
    pub hash: Option<BytecodeHash>,
    /// Compare this buffer instead of the program
    #[arg(long, value_name = "ADDRESS")]
    pub buffer: Option<Pubkey>,
}

/// Arguments of `program set-authority`.
#[derive(Debug, Args)]
pub struct SetAuthorityArgs {
    /// The new upgrade authority; of a multisig, its vault and not its settings
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
    /// Take the right to upgrade away from everybody
    #[arg(long, requires = "confirm")]
    pub r#final: bool,
    /// The program's address once more, because --final cannot be undone
    #[arg(long, requires = "final", value_name = "PROGRAM")]
    pub confirm: Option<Pubkey>,
    /// The new authority is an account of another program, which signs for it
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
