//! The test world: a chain, a folder with keys and builds, and state prepared with the engine's cheat codes.

use std::ops::Range;
use std::time::Duration;

use farthing_chain::keys::generate_keypair;
use farthing_chain::loader::{
    UPGRADEABLE_LOADER, buffer_length, program_data_address, program_data_length, write,
};
use farthing_chain::rpc::room_for_data;
use farthing_chain::{LoaderBuffer, PROGRAM_ID};
use farthing_cli::localnet::Localnet;
use serde_json::{Value, json};
use solana_client::rpc_request::RpcRequest;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use crate::terminal::Terminal;

/// Slot time that is long enough for a round of writes within the lifetime of a blockhash, and short enough to wait for
/// finality.
const SLOT_TIME: Duration = Duration::from_millis(100);
/// Lamports given to a key: more than a deployment costs.
const LAMPORTS: u64 = 20_000_000_000;
/// The committed bytecode, compiled for `PROGRAM_ID`.
pub const BUILD: &[u8] = include_bytes!("../../../../../programs/farthing/artifact/farthing.so");
/// Where the command keeps the buffer's key unless told otherwise.
pub const BUFFER_KEY: &str = "farthing-buffer.json";

pub struct World {
    pub chain: Localnet,
    pub terminal: Terminal,
    /// Address of the key in `authority.json`, which has SOL.
    pub authority: Pubkey,
}

impl World {
    /// Starts a chain, with the committed bytecode in `build.so`.
    pub async fn new() -> Self {
        let chain = Localnet::start(SLOT_TIME).await.expect("a local chain");
        let terminal = Terminal::new(chain.rpc_url());
        let mut world = Self {
            chain,
            terminal,
            authority: Pubkey::default(),
        };
        world.authority = world.key("authority.json", LAMPORTS).await.pubkey();
        world.build("build.so", BUILD);
        world
    }

    /// Creates a key file and gives the key lamports.
    pub async fn key(&self, name: &str, lamports: u64) -> Keypair {
        let key = generate_keypair(&self.terminal.path(name)).expect("a new key file");
        if lamports > 0 {
            self.fund(&key.pubkey(), lamports).await;
        }
        key
    }

    pub async fn fund(&self, address: &Pubkey, lamports: u64) {
        self.chain
            .fund_sol(address, lamports)
            .await
            .expect("an airdrop");
    }

    pub fn build(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.terminal.path(name), bytes).expect("a writable folder");
    }

    pub async fn lamports(&self, address: &Pubkey) -> u64 {
        self.chain
            .chain()
            .lamports(address, CommitmentConfig::confirmed())
            .await
            .expect("the chain answers")
    }

    pub async fn buffer(&self, address: &Pubkey) -> Option<LoaderBuffer> {
        self.chain
            .chain()
            .loader_buffer(address, CommitmentConfig::confirmed())
            .await
            .expect("the chain answers")
    }

    /// Replaces Farthing by another program, as if this authority had deployed it.
    pub async fn install(&self, bytecode: &[u8], authority: &Pubkey) {
        let mut data = vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        data.extend_from_slice(authority.as_ref());
        data.extend_from_slice(bytecode);
        assert_eq!(data.len(), program_data_length(bytecode.len()));
        let data_address = program_data_address(&PROGRAM_ID);
        self.set_account(&data_address, &data, false).await;
        // Written a second time, so that the engine reloads the program.
        let program = [&[2, 0, 0, 0], data_address.as_ref()].concat();
        self.set_account(&PROGRAM_ID, &program, true).await;
    }

    /// Writes a buffer except for some parts, as an interrupted run leaves it.
    pub async fn fill_buffer(
        &self,
        address: &Pubkey,
        authority: &Pubkey,
        bytecode: &[u8],
        missing: &[Range<usize>],
    ) {
        let mut bytecode = bytecode.to_vec();
        for range in missing {
            bytecode[range.clone()].fill(0);
        }
        let data = [&[1, 0, 0, 0, 1], authority.as_ref(), &bytecode[..]].concat();
        assert_eq!(data.len(), buffer_length(bytecode.len()));
        self.set_account(address, &data, false).await;
    }

    async fn set_account(&self, address: &Pubkey, data: &[u8], executable: bool) {
        let rent = self.chain.chain().rent(data.len()).await.expect("the rent");
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let account = json!({
            "lamports": rent,
            "data": hex,
            "owner": UPGRADEABLE_LOADER.to_string(),
            "executable": executable,
        });
        let method = "surfnet_setAccount";
        self.chain
            .chain()
            .rpc()
            .send::<Value>(
                RpcRequest::Custom { method },
                json!([address.to_string(), account]),
            )
            .await
            .expect("the engine sets accounts");
    }
}

/// The last chunks of bytecode that are not all zeros, as the command cuts it.
pub fn last_chunks(
    bytecode: &[u8],
    payer: &Pubkey,
    authority: &Pubkey,
    count: usize,
) -> Vec<Range<usize>> {
    let empty = write(&Pubkey::new_unique(), authority, 0, Vec::new());
    let length = room_for_data(payer, &[empty]).expect("it can be built");
    let mut chunks: Vec<_> = (0..bytecode.len())
        .step_by(length)
        .map(|start| start..bytecode.len().min(start + length))
        .filter(|range| bytecode[range.clone()].iter().any(|byte| *byte != 0))
        .collect();
    chunks.split_off(chunks.len() - count)
}

/// The bytecode as the compiler would build it after `anchor keys sync` for another address. The present address occurs
/// in the bytecode as a whole and, where it is compared, as immediates of four bytes.
pub fn compiled_for(program: &Pubkey) -> Vec<u8> {
    let (ours, theirs) = (PROGRAM_ID.to_bytes(), program.to_bytes());
    let pieces: Vec<_> = ours.chunks(4).zip(theirs.chunks(4)).collect();
    let mut build = BUILD.to_vec();
    let mut start = 0;
    let mut found = 0;
    while start + 4 <= build.len() {
        let here = &mut build[start..start + 4];
        match pieces.iter().find(|(ours, _)| *ours == here) {
            Some((_, theirs)) => {
                here.copy_from_slice(theirs);
                found += 1;
                start += 4;
            }
            None => start += 1,
        }
    }
    assert!(found > pieces.len(), "the bytecode compares its address");
    build
}

/// A build that differs but behaves the same: only its text for security researchers is another.
pub fn another_build() -> Vec<u8> {
    let mark = b"BEGIN SECURITY.TXT";
    let mut build = BUILD.to_vec();
    let start = build
        .windows(mark.len())
        .position(|window| window == mark)
        .expect("the bytecode has a security.txt");
    let digit = build[start..]
        .iter_mut()
        .find(|byte| **byte == b'F')
        .expect("the name of the project");
    *digit = b'f';
    build
}
