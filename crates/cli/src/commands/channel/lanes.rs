//! Plans the lanes of a new channel: lanes with generated keys, written to files, and lanes of existing keys.

use std::fs;
use std::path::{Path, PathBuf};

use farthing_chain::NewLane;
use farthing_chain::keys::{KeyFileError, write_keypair};
use farthing_protocol::limits::MAX_LANES;
use farthing_wire::signature::SignerKey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use crate::commands::channel::args::OpenChannelArgs;
use crate::error::CliError;

/// A lane to be opened, with the file of its key if the key was generated here.
pub struct PlannedLane {
    /// Key and cap.
    pub lane: NewLane,
    /// File of the generated key; `None` if the agent already has its key.
    pub key_file: Option<PathBuf>,
}

/// Generates the requested keys into `<directory>/<channel>/lane-<n>.json`. This is done before the transaction is
/// sent, because the money of a lane without its key would be lost.
///
/// # Errors
/// If a file exists or cannot be written, or there are too many lanes.
pub fn plan(args: &OpenChannelArgs, channel: &str) -> Result<Vec<PlannedLane>, CliError> {
    let generated = usize::from(args.lanes.unwrap_or(0));
    if generated + args.given_lanes.len() > MAX_LANES {
        return Err(CliError::usage(format!(
            "a channel has at most {MAX_LANES} lanes: open several channels"
        )));
    }
    for lane in &args.given_lanes {
        SignerKey::new(&lane.signer.to_bytes()).map_err(|error| {
            CliError::usage(format!(
                "{} cannot be a lane's key: {error}; generate another key for this agent",
                lane.signer
            ))
        })?;
    }
    let mut lanes = Vec::with_capacity(generated + args.given_lanes.len());
    if let (Some(cap), Some(directory)) = (args.cap, &args.lane_keys) {
        let directory = directory.join(channel);
        create_private_directory(&directory)?;
        for index in 0..generated {
            let key = Keypair::new();
            let key_file = directory.join(format!("lane-{index}.json"));
            write_keypair(&key_file, &key)?;
            lanes.push(PlannedLane {
                lane: NewLane {
                    signer: key.pubkey(),
                    cap,
                },
                key_file: Some(key_file),
            });
        }
    }
    lanes.extend(args.given_lanes.iter().map(|lane| PlannedLane {
        lane: *lane,
        key_file: None,
    }));
    Ok(lanes)
}

/// Deletes the generated keys of lanes that were certainly not opened, so that the command can be run again.
pub fn discard(lanes: &[PlannedLane]) {
    for key_file in lanes.iter().filter_map(|lane| lane.key_file.as_ref()) {
        if let Err(error) = fs::remove_file(key_file) {
            tracing::warn!(%error, file = %key_file.display(), "cannot delete an unused lane key file; delete it by \
            hand");
        }
    }
}

fn create_private_directory(directory: &Path) -> Result<(), CliError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|source| {
        CliError::from(KeyFileError::Write {
            path: directory.to_owned(),
            source,
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::commands::channel::args::ChannelCommand;

    fn arguments(directory: &Path) -> OpenChannelArgs {
        const KEY: &str = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
        let directory = directory.to_str().expect("an ASCII path");
        let cli = Cli::try_parse_from([
            "farthing",
            "channel",
            "open",
            "--rpc-url",
            "http://127.0.0.1:1",
            "-k",
            "owner.json",
            "--escrow",
            KEY,
            "--payee",
            KEY,
            "--settler",
            KEY,
            "--deposit",
            "1",
            "--lanes",
            "2",
            "--cap",
            "0.5",
            "--lane-keys",
            directory,
        ]);
        match cli.expect("a complete command").command {
            Command::Channel(ChannelCommand::Open(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_never_overwritten_and_unused_ones_can_be_discarded() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let args = arguments(directory.path());
        let lanes = plan(&args, "channel").expect("new files");
        assert_eq!(lanes.len(), 2);
        for planned in &lanes {
            let key_file = planned.key_file.as_ref().expect("generated");
            let key = farthing_chain::keys::read_keypair(key_file).expect("a key file");
            assert_eq!(key.pubkey(), planned.lane.signer);
        }
        let again = plan(&args, "channel").err().map(|error| error.to_string());
        assert!(again.is_some_and(|message| message.contains("not overwritten")));
        discard(&lanes);
        assert!(plan(&args, "channel").is_ok());
    }
}
