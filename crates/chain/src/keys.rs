//! Key files in the format of Solana's command-line tools: a JSON array of 64 bytes.
//!
//! They are created readable by their owner only and never overwritten, because a lost key is lost money.
//! Errors name the path and never the content.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use solana_sdk::signature::Keypair;

/// Longest key file: 64 numbers of three digits with generous white space.
const MAX_FILE_LENGTH: u64 = 4_096;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file does not exist.
    #[error("there is no key file at {}: check the path", .0.display())]
    NotFound(PathBuf),
    /// The file cannot be read.
    #[error("cannot read the key file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a key file.
    #[error(
        "{} is not a key file: it must be a JSON array of 64 bytes whose second half is the public key",
        .0.display()
    )]
    Malformed(PathBuf),
    /// There is already a file at the path.
    #[error("{} exists and is not overwritten: move it away or choose another path", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write the key file {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Reads a key file.
///
/// # Errors
/// [`KeyFileError`] names the path.
pub fn read_keypair(path: &Path) -> Result<Keypair, KeyFileError> {
    let read_error = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => KeyFileError::NotFound(path.to_owned()),
        _ => KeyFileError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_LENGTH).read_to_end(&mut text))
        .map_err(read_error)?;
    // The causes are dropped, because they may quote the content.
    let bytes: Vec<u8> = serde_json::from_slice(&text).map_err(|_| malformed(path))?;
    Keypair::try_from(bytes.as_slice()).map_err(|_| malformed(path))
}

fn malformed(path: &Path) -> KeyFileError {
    KeyFileError::Malformed(path.to_owned())
}

/// Writes a new key file with mode 0600, durably.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file, [`KeyFileError::Write`] if it cannot be written.
pub fn write_keypair(path: &Path, keypair: &Keypair) -> Result<(), KeyFileError> {
    let write_error = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Write {
            path: path.to_owned(),
            source,
        },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(write_error)?;
    let json = serde_json::to_vec(&keypair.to_bytes().as_slice())
        .map_err(|error| write_error(error.into()))?;
    file.write_all(&json)
        .and_then(|()| file.sync_all())
        .map_err(write_error)
}

/// Generates a key and writes it to a new file.
///
/// # Errors
/// Those of [`write_keypair`].
pub fn generate_keypair(path: &Path) -> Result<Keypair, KeyFileError> {
    let keypair = Keypair::new();
    write_keypair(path, &keypair)?;
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_private_and_never_overwritten() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("agent.json");
        let keypair = generate_keypair(&path).expect("a new file");
        let read = read_keypair(&path).expect("what was written");
        assert_eq!(read.to_bytes(), keypair.to_bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).expect("the file").permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
        }
        let again = generate_keypair(&path);
        assert!(matches!(again, Err(KeyFileError::Exists(_))), "{again:?}");
        let unchanged = read_keypair(&path).expect("the file is still there");
        assert_eq!(unchanged.to_bytes(), keypair.to_bytes());
    }

    #[test]
    fn errors_name_the_path_and_never_the_content() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("agent.json");
        assert!(matches!(
            read_keypair(&path),
            Err(KeyFileError::NotFound(_))
        ));
        let mut swapped = Keypair::new().to_bytes();
        swapped[63] ^= 1;
        let swapped = serde_json::to_string(&swapped.as_slice()).expect("numbers are JSON");
        for content in ["", "[1,2,3]", "\"424242\"", "[424242]", &swapped] {
            std::fs::write(&path, content).expect("a writable directory");
            let error = read_keypair(&path).expect_err("not a key");
            let text = format!("{error} {error:?}");
            assert!(matches!(error, KeyFileError::Malformed(_)), "{text}");
            assert!(text.contains("agent.json") && !text.contains("424242"));
        }
    }
}
