//! Reads the bytecode to deploy, and checks what can be checked before it is paid for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use farthing_chain::BytecodeHash;
use farthing_chain::loader::MAX_BYTECODE_LENGTH;
use solana_sdk::pubkey::Pubkey;

use crate::error::CliError;

const ELF_MAGIC: [u8; 4] = *b"\x7fELF";
/// Length of a 64-bit ELF header.
const ELF_HEADER: usize = 64;
/// ELF class and byte order: 64-bit, little-endian.
const ELF_CLASS_AND_ORDER: [u8; 2] = [2, 1];
const MACHINE_OFFSET: usize = 18;
/// ELF machine numbers: that of Linux's BPF and Solana's own; compilers write either.
const MACHINES: [u16; 2] = [247, 263];
const FLAGS_OFFSET: usize = 48;
/// Version of the sBPF instruction set, the only one that the network accepts in deployments.
const SBPF_VERSION: u32 = 3;
/// Width in bytes of the immediates that compilers may split an address into.
const IMMEDIATE: usize = 4;

/// Bytecode whose header the network accepts.
pub struct Bytecode {
    bytes: Vec<u8>,
}

impl Bytecode {
    /// Reads a build from a file and checks its header.
    ///
    /// # Errors
    /// [`CliError::Usage`] if there is no file, or if the loader would refuse the bytecode at the end of a deployment.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let shown = path.display();
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a longer file is noticed.
        let limit = u64::try_from(MAX_BYTECODE_LENGTH).unwrap_or(u64::MAX) + 1;
        File::open(path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => CliError::usage(format!(
                    "there is no bytecode at {shown}: build it with `anchor build`, or give its path with --bytecode"
                )),
                _ => CliError::usage(format!("cannot read the bytecode {shown}: {error}")),
            })?;
        if bytes.len() > MAX_BYTECODE_LENGTH {
            return Err(CliError::usage(format!(
                "{shown} is longer than the {MAX_BYTECODE_LENGTH} bytes that an account can hold"
            )));
        }
        check_header(&bytes).map_err(|reason| CliError::usage(format!("{shown} {reason}")))?;
        Ok(Self { bytes })
    }

    /// Checks that the bytecode was compiled for this address. Anchor compares the two addresses on every call, so a
    /// program at the wrong address refuses every call.
    ///
    /// # Errors
    /// [`CliError::Failed`] if the bytecode does not contain the address. The check is not exact: bytecode may contain
    /// an address that it was not compiled for. It only prevents deployments that are certain to be useless.
    pub fn require_address(&self, program: &Pubkey) -> Result<(), CliError> {
        // Compilers store the address as a whole or as immediates of instructions. In both cases each of its eight
        // pieces occurs in the bytecode; that all eight occur by chance is unlikely.
        let contained = program
            .to_bytes()
            .chunks(IMMEDIATE)
            .all(|piece| self.bytes.windows(IMMEDIATE).any(|window| window == piece));
        if contained {
            return Ok(());
        }
        Err(CliError::failed(format!(
            "the bytecode was not compiled for {program}, where it would refuse every call: run `anchor keys sync` \
            with that program's key and build again, or give the program that it was compiled for with --program"
        )))
    }

    /// The bytecode's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytecode's hash.
    #[must_use]
    pub fn hash(&self) -> BytecodeHash {
        BytecodeHash::of(&self.bytes)
    }
}

/// Checks the ELF header; the error says what is wrong with it.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some(header) = bytes
        .get(..ELF_HEADER)
        .filter(|header| header.starts_with(&ELF_MAGIC))
    else {
        return Err(
            "is not an ELF file: give the bytecode that `anchor build` writes to target/deploy"
                .to_owned(),
        );
    };
    let machine = u16::from_le_bytes([header[MACHINE_OFFSET], header[MACHINE_OFFSET + 1]]);
    if header[4..6] != ELF_CLASS_AND_ORDER || !MACHINES.contains(&machine) {
        return Err(format!(
            "was compiled for another machine (e_machine {machine}), not for Solana: give the bytecode that `anchor \
            build` writes to target/deploy"
        ));
    }
    let mut flags = [0; 4];
    flags.copy_from_slice(&header[FLAGS_OFFSET..FLAGS_OFFSET + 4]);
    let version = u32::from_le_bytes(flags);
    if version != SBPF_VERSION {
        return Err(format!(
            "is sBPF version {version}, and the network accepts deployments of version {SBPF_VERSION} only: build it with `anchor build -- --arch v{SBPF_VERSION}`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../programs/farthing/artifact/farthing.so"
    ));

    fn changed(offset: usize, byte: u8) -> Vec<u8> {
        let mut bytes = PROGRAM.to_vec();
        bytes[offset] = byte;
        bytes
    }

    #[test]
    fn only_what_the_network_accepts_is_read() {
        assert_eq!(check_header(PROGRAM), Ok(()));
        let mut other_number = changed(MACHINE_OFFSET, 7);
        other_number[MACHINE_OFFSET + 1] = 1;
        assert_eq!(check_header(&other_number), Ok(()));
        for (bytes, expected) in [
            (Vec::new(), "is not an ELF file"),
            (PROGRAM[..63].to_vec(), "is not an ELF file"),
            (changed(0, 0), "is not an ELF file"),
            // 32-bit, big-endian, x86-64.
            (changed(4, 1), "for another machine"),
            (changed(5, 2), "for another machine"),
            (changed(MACHINE_OFFSET, 62), "e_machine 62"),
            (changed(FLAGS_OFFSET, 2), "is sBPF version 2"),
            (changed(FLAGS_OFFSET + 3, 1), "is sBPF version 16777219"),
        ] {
            let reason = check_header(&bytes).expect_err(expected);
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn the_address_is_found_whole_or_in_pieces() {
        let program = farthing_chain::PROGRAM_ID;
        let bytecode = |bytes: &[u8]| Bytecode {
            bytes: bytes.to_vec(),
        };
        assert!(bytecode(PROGRAM).require_address(&program).is_ok());
        let other = Pubkey::new_from_array([7; 32]);
        let error = bytecode(PROGRAM).require_address(&other).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            error.contains("was not compiled for US517G5965aydkZ46HS38QLi7UQiSojurfbQfKCELFx"),
            "{error}"
        );
        // The encoding of `lddw`: an opcode and three more bytes before each immediate.
        let mut pieces = Vec::new();
        for piece in program.to_bytes().chunks(IMMEDIATE) {
            pieces.extend_from_slice(&[0x18, 1, 0, 0]);
            pieces.extend_from_slice(piece);
        }
        assert!(bytecode(&pieces).require_address(&program).is_ok());
        pieces.truncate(pieces.len() - 1);
        assert!(bytecode(&pieces).require_address(&program).is_err());
    }
}
