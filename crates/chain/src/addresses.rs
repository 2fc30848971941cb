//! Derived and well-known addresses, except those of tokens, which are in [`super::token`]. The seeds are in
//! `farthing_protocol::seeds`.

use farthing_protocol::Domain;
use farthing_protocol::seeds::{APPROVAL_SEED, CHANNEL_SEED, ESCROW_SEED};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;

use farthing_wire::signature::sha256;

/// Address of the program. A client never adopts a program id from a 402: it compares the one there with this one, or
/// with one that its user configured.
pub const PROGRAM_ID: Pubkey = pubkey!("FaryyW2ua5w5F7G57DtiGqm6SKEpdTbZPwBErDpgmZFw");
/// USDC on mainnet-beta.
pub const USDC_MINT_MAINNET: Pubkey = pubkey!("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v");
/// USDC on devnet, and on a local chain.
pub const USDC_MINT_DEVNET: Pubkey = pubkey!("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU");

/// The escrow `escrow_id` of `owner` in `mint`, with its bump.
#[must_use]
pub fn escrow_address(
    program: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    escrow_id: u64,
) -> (Pubkey, u8) {
    Pubkey::find_program_address(
        &[
            ESCROW_SEED,
            owner.as_ref(),
            mint.as_ref(),
            &escrow_id.to_le_bytes(),
        ],
        program,
    )
}

/// The approval of `payee` by the owner of `escrow`, with its bump.
#[must_use]
pub fn approval_address(program: &Pubkey, escrow: &Pubkey, payee: &Pubkey) -> (Pubkey, u8) {
    Pubkey::find_program_address(&[APPROVAL_SEED, escrow.as_ref(), payee.as_ref()], program)
}

/// The channel `channel_id` of `escrow` to `payee`, with its bump.
#[must_use]
pub fn channel_address(
    program: &Pubkey,
    escrow: &Pubkey,
    payee: &Pubkey,
    channel_id: u64,
) -> (Pubkey, u8) {
    Pubkey::find_program_address(
        &[
            CHANNEL_SEED,
            escrow.as_ref(),
            payee.as_ref(),
            &channel_id.to_le_bytes(),
        ],
        program,
    )
}

/// The domain of one incarnation of a channel on the cluster with this genesis hash.
///
/// The program cannot check the genesis hash that a channel was opened with. Before relying on a channel, compare the
/// account's domain with this one.
#[must_use]
pub fn channel_domain(
    program: &Pubkey,
    genesis_hash: &Hash,
    channel: &Pubkey,
    opened_slot: u64,
) -> Domain {
    Domain::of_channel(
        sha256,
        &program.to_bytes(),
        &genesis_hash.to_bytes(),
        &channel.to_bytes(),
        opened_slot,
    )
}
