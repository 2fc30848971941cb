//! Error codes that the tests assert: Anchor's, by number, and the program's.

use farthing::error::FarthingError;

/// A `seeds` constraint was violated.
pub const CONSTRAINT_SEEDS: u32 = 2006;
/// A token account of another mint.
pub const CONSTRAINT_TOKEN_MINT: u32 = 2014;
/// A token account of another owner.
pub const CONSTRAINT_TOKEN_OWNER: u32 = 2015;
/// One account was given for two writable ones.
pub const DUPLICATE_MUTABLE_ACCOUNT: u32 = 2040;
/// An account of another type.
pub const DISCRIMINATOR_MISMATCH: u32 = 3002;
/// An account of another program.
pub const OWNED_BY_WRONG_PROGRAM: u32 = 3007;
/// Another program than the one named.
pub const INVALID_PROGRAM_ID: u32 = 3008;
/// A signature is missing.
pub const NOT_SIGNER: u32 = 3010;
/// An account that does not exist.
pub const NOT_INITIALIZED: u32 = 3012;
/// `SystemError::AccountAlreadyInUse`.
pub const ALREADY_IN_USE: u32 = 0;

/// The number that a client sees.
pub fn code(error: FarthingError) -> u32 {
    error.into()
}
