//! The bytes and the arithmetic that Farthing's program, verifier and clients must agree on.
//!
//! What lives here: message layouts ([`voucher`], [`statement`], [`state_query`]), the channel's
//! [`domain`], PDA [`seeds`], account and instruction numbers ([`layout`], [`instruction`]), limits
//! ([`limits`]) and the pure arithmetic of money ([`debit`], [`price`], [`deadline`]).
//!
//! What must not: IO, clocks, cryptography, Solana types. The crate is `no_std`, allocates nothing
//! and has no dependency; where a hash is needed the caller passes the function, so that the program
//! uses its syscall and everyone else a library.
//!
//! The authority on every layout is `docs/protocol.md`; `vectors/golden.json` pins them for every
//! language.
#![no_std]

pub mod deadline;
pub mod debit;
pub mod domain;
pub mod encoding;
pub mod instruction;
pub mod layout;
pub mod limits;
pub mod price;
pub mod seeds;
pub mod state_query;
pub mod statement;
pub mod units;
pub mod voucher;

pub use domain::Domain;
pub use units::{BaseUnits, Generation, LaneIndex};
pub use voucher::Voucher;

/// SHA-256 over the concatenation of the parts, given by the caller.
///
/// On-chain this is the `sol_sha256` syscall, off-chain the `sha2` crate.
pub type Sha256 = fn(&[&[u8]]) -> [u8; 32];

/// Why bytes are not the message they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The length differs from the fixed length of the message.
    Length,
    /// The first three bytes are not the message's magic.
    Magic,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Length => "message has the wrong length",
            Self::Magic => "message does not start with its magic bytes",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Copies `N` bytes out of `bytes` at `offset`. Offsets are layout constants, so a failure is a
/// defect of this crate and not of its input: callers check the total length first.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}
