//! Accounts of the upgradeable loader, for a program's users and its deployer: where a program's bytecode is, its hash,
//! and who may replace it.
//!
//! The builders of the loader's instructions are re-exported from the loader's own crate. Out of scope: RPC, and
//! deciding which bytecode is the right one.

use std::fmt;
use std::str::FromStr;

use farthing_wire::signature::sha256;
pub use solana_loader_v3_interface::get_program_data_address as program_data_address;
pub use solana_loader_v3_interface::instruction::{
    MINIMUM_EXTEND_PROGRAM_BYTES, close, create_buffer, deploy_with_max_program_len,
    extend_program, set_buffer_authority, set_upgrade_authority, upgrade, write,
};
use solana_loader_v3_interface::state::UpgradeableLoaderState;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;

use super::accounts::AccountError;

/// Address of the upgradeable loader.
pub const UPGRADEABLE_LOADER: Pubkey = pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");
/// Length of a program's account in bytes.
pub const PROGRAM_ACCOUNT_LENGTH: usize = UpgradeableLoaderState::size_of_program();
/// Maximum length of bytecode in bytes: that of the largest account, without its header.
pub const MAX_BYTECODE_LENGTH: usize = 10 * 1_024 * 1_024 - PROGRAM_DATA_HEADER;

const BUFFER_HEADER: usize = UpgradeableLoaderState::size_of_buffer_metadata();
const PROGRAM_DATA_HEADER: usize = UpgradeableLoaderState::size_of_programdata_metadata();

/// Length in bytes of the account that holds a program's bytecode, if it has `space` bytes for the bytecode.
#[must_use]
pub const fn program_data_length(space: usize) -> usize {
    PROGRAM_DATA_HEADER + space
}

/// Length in bytes of a buffer's account for bytecode of this length.
#[must_use]
pub const fn buffer_length(bytecode: usize) -> usize {
    BUFFER_HEADER + bytecode
}

/// SHA-256 of bytecode without trailing zeros, as `solana-verify` computes it. The loader pads bytecode with zeros, so
/// leaving them out gives on-chain bytecode the same hash as the file that was built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BytecodeHash([u8; 32]);

impl BytecodeHash {
    /// The hash of bytecode, padded or not.
    #[must_use]
    pub fn of(bytecode: &[u8]) -> Self {
        let length = bytecode
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        Self(sha256(&[&bytecode[..length]]))
    }
}

impl fmt::Display for BytecodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BytecodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a bytecode hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a bytecode hash is 64 hexadecimal digits")]
pub struct InvalidHash;

impl FromStr for BytecodeHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut hash = [0; 32];
        if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidHash);
        }
        for (index, byte) in hash.iter_mut().enumerate() {
            let digits = &text[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidHash)?;
        }
        Ok(Self(hash))
    }
}

/// Reads the address of the bytecode from a program's account.
///
/// # Errors
/// [`AccountError::Malformed`] if `data` is not a program of the upgradeable loader.
pub fn decode_program(data: &[u8]) -> Result<Pubkey, AccountError> {
    match state(data, PROGRAM_ACCOUNT_LENGTH) {
        Some(UpgradeableLoaderState::Program {
            programdata_address,
        }) => Ok(programdata_address),
        _ => Err(AccountError::Malformed { kind: "program" }),
    }
}

/// A program's bytecode, and who may replace it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProgramData {
    /// The slot of the last deployment, upgrade or extension.
    pub slot: u64,
    /// Who may replace the bytecode; `None` if nobody ever can.
    pub authority: Option<Pubkey>,
    /// The bytecode, padded with zeros to the space that there is for it.
    pub bytecode: Vec<u8>,
}

impl ProgramData {
    /// Reads the account at [`program_data_address`].
    ///
    /// # Errors
    /// [`AccountError::Malformed`] if `data` is not program data.
    pub fn decode(mut data: Vec<u8>) -> Result<Self, AccountError> {
        let Some(UpgradeableLoaderState::ProgramData {
            slot,
            upgrade_authority_address,
        }) = state(&data, PROGRAM_DATA_HEADER)
        else {
            return Err(AccountError::Malformed {
                kind: "program data",
            });
        };
        data.drain(..PROGRAM_DATA_HEADER);
        Ok(Self {
            slot,
            authority: upgrade_authority_address,
            bytecode: data,
        })
    }

    /// Hash of the bytecode.
    #[must_use]
    pub fn hash(&self) -> BytecodeHash {
        BytecodeHash::of(&self.bytecode)
    }
}

impl fmt::Debug for ProgramData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramData")
            .field("slot", &self.slot)
            .field("authority", &self.authority)
            .field("hash", &self.hash())
            .finish_non_exhaustive()
    }
}

/// A buffer account: bytecode that is being written, or waits to be deployed.
#[derive(Clone, PartialEq, Eq)]
pub struct LoaderBuffer {
    /// Who may write to the buffer and deploy from it; `None` if nobody can.
    pub authority: Option<Pubkey>,
    /// Content of the whole buffer, including space that is not written yet.
    pub bytecode: Vec<u8>,
    /// Lamports of the buffer's account, which its deployment returns.
    pub lamports: u64,
}

impl LoaderBuffer {
    /// Reads a buffer's account.
    ///
    /// # Errors
    /// [`AccountError::Malformed`] if `data` is not a buffer.
    pub fn decode(mut data: Vec<u8>, lamports: u64) -> Result<Self, AccountError> {
        let Some(UpgradeableLoaderState::Buffer { authority_address }) =
            state(&data, BUFFER_HEADER)
        else {
            return Err(AccountError::Malformed { kind: "buffer" });
        };
        data.drain(..BUFFER_HEADER);
        Ok(Self {
            authority: authority_address,
            bytecode: data,
            lamports,
        })
    }

    /// Hash of the bytecode that is written so far.
    #[must_use]
    pub fn hash(&self) -> BytecodeHash {
        BytecodeHash::of(&self.bytecode)
    }
}

impl fmt::Debug for LoaderBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoaderBuffer")
            .field("authority", &self.authority)
            .field("hash", &self.hash())
            .field("lamports", &self.lamports)
            .finish_non_exhaustive()
    }
}

/// Decodes the loader's state from an account's header of this length. An optional key in it takes its 32 bytes in
/// either case.
fn state(data: &[u8], header: usize) -> Option<UpgradeableLoaderState> {
    bincode::deserialize(data.get(..header)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn program_data(tag: u8, bytecode: &[u8]) -> Vec<u8> {
        let parts = [
            &[3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, tag],
            &KEY[..],
            bytecode,
        ];
        parts.concat()
    }

    #[test]
    fn padding_does_not_change_the_hash() {
        let hash = BytecodeHash::of(b"abc");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), expected);
        assert_eq!(expected.parse(), Ok(hash));
        assert_eq!(BytecodeHash::of(b"abc\0\0"), hash);
        assert_ne!(BytecodeHash::of(b"\0abc"), hash);
        assert_eq!(BytecodeHash::of(b"\0\0"), BytecodeHash::of(b""));
        for text in ["", "ba78", &expected[1..], &format!("{}zz", &expected[2..])] {
            assert_eq!(text.parse::<BytecodeHash>(), Err(InvalidHash), "{text}");
        }
        assert_eq!("é".repeat(32).parse::<BytecodeHash>(), Err(InvalidHash));
    }

    #[test]
    fn program_data_is_read() {
        let read = ProgramData::decode(program_data(1, b"abc\0")).expect("well formed");
        assert_eq!((read.slot, read.authority), (9, Some(KEY.into())));
        assert_eq!(read.bytecode, b"abc\0");
        let last = ProgramData::decode(program_data(0, b"")).expect("well formed");
        assert_eq!((last.authority, last.bytecode.len()), (None, 0));
        let malformed = Err(AccountError::Malformed {
            kind: "program data",
        });
        assert_eq!(ProgramData::decode(program_data(2, b"abc")), malformed);
        assert_eq!(
            ProgramData::decode(program_data(1, b"")[..44].to_vec()),
            malformed
        );
        let mut buffer = program_data(1, b"abc");
        buffer[0] = 1;
        assert_eq!(ProgramData::decode(buffer), malformed);
    }

    #[test]
    fn buffers_and_programs_are_read() {
        let buffer = [&[1, 0, 0, 0, 1], &KEY[..], b"abc"].concat();
        let read = LoaderBuffer::decode(buffer.clone(), 5).expect("well formed");
        assert_eq!(
            (read.authority, read.lamports, read.hash()),
            (Some(KEY.into()), 5, BytecodeHash::of(b"abc"))
        );
        let malformed = AccountError::Malformed { kind: "buffer" };
        assert_eq!(
            LoaderBuffer::decode(buffer[..36].to_vec(), 5),
            Err(malformed)
        );
        assert_eq!(
            decode_program(&buffer),
            Err(AccountError::Malformed { kind: "program" })
        );
        let program = [&[2, 0, 0, 0], &KEY[..]].concat();
        assert_eq!(decode_program(&program), Ok(KEY.into()));
        assert!(decode_program(&program[..35]).is_err());
    }
}
